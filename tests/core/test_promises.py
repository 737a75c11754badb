"""Promises of the docstrings at their edges: odd input, overflow, files that are not what they seem."""

import json

import pytest
import torch
from safetensors.torch import load_file, save, save_file

from fbseg_core import checkpoint
from fbseg_core.analysis.pca import pca
from fbseg_core.checkpoint import Card, CheckpointError, load, load_training, read_card, save_training
from fbseg_core.config import GroupingConfig, ModelConfig, ShapesConfig, Switches, TrainConfig
from fbseg_core.models.registry import build
from fbseg_core.rollout.trajectory import rollout
from fbseg_core.scores.metrics import chance
from fbseg_core.settings import ConfigError
from fbseg_core.tasks import make_batch
from fbseg_core.training.fit import fit

SMALL = ModelConfig(width=4, depth=1, u=3, v=2, steps=4)
TASK = ShapesConfig(side=16)
SHORT = TrainConfig(batch=2, updates=2, steps_min=4, steps_max=4)


# config.py: Config.parse raises ConfigError, nothing else; a refusal names the key and what is allowed
@pytest.mark.parametrize("values", [{"self": 1}, {"width": 10**5000}], ids=["self", "huge"])
def test_parse_raises_config_error_and_nothing_else(values):
    with pytest.raises(ConfigError, match=next(iter(values))):
        ModelConfig.parse(values)


@pytest.mark.parametrize("config", [ModelConfig, Switches])
def test_an_eigenvalue_out_of_range_is_answered_with_the_range(config):
    with pytest.raises(ConfigError, match="-10 to 10"):
        config(spectrum=(11.0,))


@pytest.mark.parametrize("value", [True, "8"])
def test_numbers_are_not_taken_from_flags_or_text(value):
    with pytest.raises(ConfigError, match="width"):
        ModelConfig.parse({"width": value})


# tasks/grouping.py: ConfigError only where such regions do not occur
def test_any_number_of_images_can_be_drawn_where_they_do_occur():
    assert len(make_batch(GroupingConfig(side=16, winding=0.0, scale=1.0), 6500, 0)) == 6500


# dynamics.py: basis() of a model without one
def test_a_double_precision_model_takes_any_spectrum_at_inference():
    model, x = build(SMALL).double(), torch.zeros(1, 3, 16, 16, dtype=torch.float64)
    run = rollout(model, x, 2, switches=Switches(spectrum=(0.5, 0.0, -0.5, -1.0, -2.0)))
    assert run.h.dtype == torch.float64


# train.py: an overflow within the trajectory stops the run
def test_a_trajectory_cut_to_one_step_by_overflow_stops_the_run():
    model = build(SMALL.replace(spectrum=(10.0,), tau=0.05))  # e^200 at t = 1
    progress = next(fit(model, TASK, SHORT))
    assert len(progress.losses) == 1 and progress.stopped


# train.py: what cannot be trained is refused by ConfigError
def test_batch_norm_that_is_left_one_pixel_is_refused_or_trained():
    model = build(SMALL.replace(norm="batch", depth=4))
    try:
        assert torch.isfinite(torch.tensor(next(fit(model, TASK, SHORT.replace(batch=1))).loss))
    except ConfigError as error:
        assert "batch" in str(error)


# train.py, checkpoint.py: a snapshot is all that is needed to resume
def test_a_state_saved_after_any_update_can_be_loaded_again(tmp_path):
    model = build(SMALL)
    torch.nn.init.constant_(model.head.weight, 1e22)
    for progress in fit(model, TASK, SHORT.replace(clip=0.0)):
        save_training(progress.snapshot(), tmp_path / "run.training")
        assert load_training(tmp_path / "run.training").update == progress.update


# metrics.py: the better of all background and all one class
def test_chance_on_images_without_a_shape_is_a_right_empty_mask():
    assert chance(torch.zeros(2, 4, 4, dtype=torch.long)) == 1.0


# analysis/pca.py: ValueError where channels or pixels do not fit the plane
@pytest.mark.parametrize("size", [(16, 16), (32, 32), (64, 64), (16, 36), (36, 16)])
def test_a_plane_refuses_images_of_another_size(size):
    model = build(SMALL)
    plane = pca(rollout(model, torch.randn(1, 3, 24, 24), 3))
    with pytest.raises(ValueError):
        plane.transform(rollout(model, torch.randn(1, 3, *size), 2))


# checkpoint.py: CheckpointError for whatever is not a sound checkpoint
@pytest.mark.parametrize("name", ["x" * 300, "/" + "x" * 300 + ".safetensors"], ids=["name", "path"])
@pytest.mark.parametrize("read", [load, read_card])
def test_names_too_long_for_a_file_are_refused(name, read):
    with pytest.raises(CheckpointError):
        read(name)


@pytest.mark.parametrize("name", ["x" * 300, ".", "none.training"], ids=["long", "folder", "missing"])
def test_training_files_that_are_not_there_are_refused(tmp_path, name):
    with pytest.raises(CheckpointError):
        load_training(tmp_path / name)


@pytest.mark.parametrize("read", [load, read_card])
@pytest.mark.parametrize(
    "change",
    [{"chance": 10**400}, {"f1": [10**400]}, {"chance": "0.5"}, {"f1": "01"}],
    ids=["huge chance", "huge score", "text chance", "text score"],
)
def test_scores_that_are_no_shares_are_refused(tmp_path, change, read):
    path = tmp_path / "a.safetensors"
    checkpoint.save(build(SMALL), Card(SMALL, TASK, SHORT, 1), path)
    header = json.loads(path.read_bytes()[8 : 8 + int.from_bytes(path.read_bytes()[:8], "little")])
    card = json.loads(header["__metadata__"]["card"]) | change
    save_file(load_file(path), path, {"format": checkpoint.FORMAT, "card": json.dumps(card)})
    with pytest.raises(CheckpointError):
        read(path)


@pytest.mark.parametrize(
    "state",
    [
        '{"update": 1e999, "best": 0, "stale": 0}',
        '{"update": 1, "best": 1' + "0" * 400 + ', "stale": 0}',
        "[" * 100_000,
        '{"update": -1, "best": 0, "stale": 0}',
        '{"update": 1, "best": NaN, "stale": 0}',
    ],
    ids=["infinite", "huge", "deep", "negative", "nan"],
)
def test_a_record_of_the_run_that_makes_no_sense_is_refused(tmp_path, state):
    metadata = {"format": checkpoint.STATE_FORMAT, "state": state}
    (tmp_path / "a.training").write_bytes(save({"model/a": torch.ones(1)}, metadata))
    with pytest.raises(CheckpointError):
        load_training(tmp_path / "a.training")


@pytest.mark.parametrize("other", [SMALL.replace(width=8), SMALL.replace(kind="feedforward")])
def test_resuming_another_models_run_is_refused_by_config_error(other):
    snapshot = next(fit(build(other), TASK, SHORT)).snapshot()
    model = build(SMALL)
    with pytest.raises(ConfigError):
        next(fit(model, TASK, SHORT, snapshot))
    fresh = build(SMALL).state_dict()
    assert all(torch.equal(value, fresh[name]) for name, value in model.state_dict().items())


def test_a_lone_pixel_falls_back_on_running_statistics():
    model = build(SMALL.replace(norm="batch", depth=4)).eval()
    x = torch.randn(1, 3, 16, 16)
    run = rollout(model, x, 2, switches=Switches(batch_statistics=True))
    assert len(run) == 2 and run.stopped is None
