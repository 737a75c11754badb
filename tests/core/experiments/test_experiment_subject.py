from dataclasses import replace

import pytest

from fbseg_core.checkpoint import read_card
from fbseg_core.config import GroupingConfig, ModelConfig, ShapesConfig, Switches, TrainConfig
from fbseg_core.experiments import EXPERIMENTS
from fbseg_core.experiments.predictive_rows import CODING
from fbseg_core.experiments.subject import Subject, corners, differences, nearest, of_card, protocol_of
from fbseg_core.training.fit import PROTOCOLS

CUSTOM = TrainConfig(examples=4, lr=0.02)
ONE = Subject(ShapesConfig(), ModelConfig(), 10, ShapesConfig(), CUSTOM)
CHANGES = {  # of each config: field -> another value
    ModelConfig: {
        "in_channels": 1, "classes": 3, "width": 4, "depth": 2, "norm": "none", "delta_norm": False, "u": 4,
        "v": 2, "tau": 0.2, "spectrum": (0.5,), "kernel": "fractional", "alpha": 1.2, "projection": "none",
        "decay": "none", "kind": "loop_cut", "integrator": "leaky", "k": 0.2,
        "rho": 0.5,
    },
    TrainConfig: {
        "examples": 2, "batch": 2, "updates": 20, "optimiser": "adamw", "lr": 0.1, "schedule": "constant",
        "warmup": 1, "weight_decay": 0.1, "clip": 0.0, "steps_min": 4, "steps_max": 6, "loss": "final",
        "loss_from": 0.5, "flips": True, "sigma_range": 2.0, "epochs": 3, "patience": 0,
        "gradient": "truncated", "window": 3, "free": 5, "start_other": 0.1, "start_noise": 0.1,
        "lipschitz": 1.0, "average": 0.9, "no_cue": 0.1,
        "front_slow": 0.5, "front_fast": 5.0, "front_speedup": 2.0, "front_rest": 1.0, "turn": 5.0,
        "brightness": 0.1, "balance": 0.5, "dice": 1.0,
    },
    ShapesConfig: {
        "side": 32, "sigma": 0.25, "sides": (4,), "count": 2, "multiclass": True, "rotate": True,
        "border": "inside", "radius_min": 0.05, "radius_max": 0.3, "channels": 1, "normalise": "none",
        "jitter": 0.2,
    },
    Switches: {
        "tau": 1.0, "clock": 0, "spectrum": (1.0,), "kernel": "fractional", "batch_statistics": True,
        "loop": False, "softmax": False, "decay": False, "integrator": "leaky", "k": 0.2,
    },
}  # fmt: skip
UNNAMED = {"name", "steps", "seed", "eval_every", "patience"}  # steps is told as T, by its own test


@pytest.mark.parametrize(("kind", "field"), [(k, f) for k, fields in CHANGES.items() for f in fields])
def test_whatever_differs_is_named_once(kind, field):
    changed = {field: CHANGES[kind][field]}
    place = {ModelConfig: "model", TrainConfig: "train", Switches: "switches"}.get(kind)
    if place:
        other = replace(ONE, **{place: getattr(ONE, place).replace(**changed)})
    else:
        other = replace(ONE, task=ONE.task.replace(**changed), trained=ONE.trained.replace(**changed))
    many = 2 if field == "side" else field not in UNNAMED  # a smaller image of the same σ is noisier too
    assert len(differences(ONE, other)) == len(differences(other, ONE)) == many


@pytest.mark.parametrize("kind", CHANGES)
def test_every_setting_is_among_them(kind):
    assert set(kind.model_fields) - set(CHANGES[kind]) <= UNNAMED


def test_one_and_the_same_has_no_differences_whatever_its_seed():
    assert not differences(ONE, replace(ONE, train=CUSTOM.replace(seed=3, eval_every=5)))


def test_switched_off_and_trained_without_differ_though_the_same_is_at_work():
    cut = replace(ONE, model=ONE.model.replace(kind="loop_cut"))
    off = replace(ONE, switches=Switches(loop=False))
    assert nearest(off, [ONE, cut]) == ["loop switched off at inference, not trained without"]
    assert nearest(ONE, [off, cut]) is None


def test_noise_in_training_and_in_the_test_are_told_apart():
    other = replace(ONE, trained=ShapesConfig(sigma=1.0))
    assert differences(other, ONE) == ["trained at paper sigma 8, not 4"]
    assert differences(replace(other, task=other.trained), ONE) == ["paper sigma 8, not 4"]
    assert differences(replace(ONE, steps=20), ONE) == ["T = 20, not 10"]
    assert differences(replace(ONE, task=GroupingConfig()), ONE)[0] == "grouping, not shapes"


def test_a_cost_asks_for_neither_weights_nor_noise():
    subject = EXPERIMENTS["scale"].subjects({"side": 64, "width": 8, "steps": 10})[0]
    card = read_card("shapes-feedback")
    assert not differences(of_card(card), subject)
    assert differences(of_card(card, steps=20), subject) == ["T = 20, not 10"]


@pytest.mark.parametrize("name", PROTOCOLS)
def test_a_protocol_is_known_whatever_its_budget(name):
    assert protocol_of(PROTOCOLS[name].replace(examples=3, epochs=0, updates=7, seed=2)) == name
    assert not protocol_of(PROTOCOLS[name].replace(lr=0.5))


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_cell_says_of_which_models_it_tells(name):
    for cell in EXPERIMENTS[name].cells("full")[::7]:
        subjects = EXPERIMENTS[name].subjects(cell)
        assert subjects or (name, cell["model"]) == ("predictive", CODING)  # which is no model of that kind
        assert all(one.steps == cell.get("steps", one.steps) for one in subjects if one.steps > 1)


def test_trainings_by_the_papers_protocol_say_which_polygons_they_drew():
    paper = PROTOCOLS["paper"].replace(examples=2, updates=20, seed=3)
    plain = Subject(ShapesConfig(), ModelConfig(), 10, ShapesConfig(), paper)
    jittered = replace(plain, trained=ShapesConfig(jitter=0.2))
    assert corners([plain, plain]) == (
        "Under the paper's protocol polygons were drawn with corners not jittered; the authors' generator "
        "jitters them."
    )
    assert "corners not jittered and corners jittered by 0.2 radii" in corners([jittered, plain])
    others = [replace(plain, train=PROTOCOLS["matched"]), replace(plain, trained=GroupingConfig()), ONE]
    assert corners(others) == ""
