"""The state of a training, as a file: it comes back as it was, and an unsound one is refused."""

import pytest
import torch
from checkpoint_files import SMALL, TASK, TRAIN, refused
from safetensors.torch import save

from fbseg_core import checkpoint
from fbseg_core.checkpoint import load_training, save_training
from fbseg_core.models.registry import build
from fbseg_core.training.fit import TrainingState, fit


@pytest.mark.parametrize("best", [-float("inf"), 0.75])
def test_a_training_state_comes_back_equal(tmp_path, best):
    model = build(SMALL.replace(norm="batch", spectrum=(-1.0, -0.5, -2.0, -0.1, 0.3)))
    state = next(fit(model, TASK, TRAIN)).snapshot()
    state.best, state.stale = best, 3
    save_training(state, tmp_path / "run.training")
    again = load_training(tmp_path / "run.training")
    assert (again.update, again.best, again.stale) == (1, best, 3)
    for ours, theirs in ((state.model, again.model), (state.optimiser, again.optimiser)):
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[k], theirs[k]) and ours[k].dtype == theirs[k].dtype for k in ours)


@pytest.mark.parametrize(
    "state",
    [
        TrainingState(1, {"a": torch.ones(1)}, {"a/exp_avg": torch.tensor([torch.inf])}),
        TrainingState(1, {"a": torch.ones(1).double()}, {}),
        TrainingState(1, {}, {}, best=float("nan")),
        TrainingState(1, {}, {}, best=1.5),
        TrainingState(-1, {}, {}),
    ],
)
def test_an_unsound_training_state_is_not_saved(tmp_path, state):
    refused(tmp_path / "run.training", lambda path: save_training(state, path))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "tensors, state",
    [
        ({"model/a": torch.ones(1)}, "{}"),
        ({"model/a": torch.ones(1)}, "[]"),
        ({"model/a": torch.ones(1)}, "not json"),
        ({"model/a": torch.ones(1)}, '{"update": "x", "best": 0, "stale": 0}'),
        ({"model/a": torch.ones(1)}, '{"update": null, "best": 0, "stale": 0}'),
        ({"other/a": torch.ones(1)}, '{"update": 1, "best": 0, "stale": 0}'),
        ({"model/a": torch.tensor([torch.nan])}, '{"update": 1, "best": 0, "stale": 0}'),
    ],
)
def test_unsound_training_states_are_refused(tmp_path, tensors, state):
    metadata = {"format": checkpoint.STATE_FORMAT, "state": state}
    (tmp_path / "run.training").write_bytes(save(tensors, metadata))
    refused(tmp_path / "run.training", load_training)


@pytest.mark.parametrize("name", ["x" * 300, ".", "none.training"], ids=["long", "folder", "missing"])
def test_training_files_that_are_not_there_are_refused(tmp_path, name):
    refused(tmp_path / name, load_training)


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
    refused(tmp_path / "a.training", load_training)
