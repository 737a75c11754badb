"""Which images each condition has; and what rows of known numbers come to."""

from collections import Counter
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

import pytest
import torch

from fbseg_core.checkpoint import load, read_card
from fbseg_core.config import DigitsConfig, TexturesConfig
from fbseg_core.experiments.real import AXES, EXPERIMENT, FILES, GRIDS, conditions, images_of, scored
from fbseg_core.experiments.real_rows import (
    AS_BUILT,
    CUT,
    FEEDBACK,
    LEAKY,
    PLAIN,
    TRAINED,
    WHOLE,
    WIDE,
    added,
    counted,
    grows,
    held,
    lead,
    lost,
)
from fbseg_core.experiments.records import Row, path_of, read
from fbseg_core.tasks import make_batch

TASKS = {
    "digits": DigitsConfig(),
    "textures": TexturesConfig(),
    WHOLE: DigitsConfig(target="whole", patches=2),
}
WAYS = {
    FEEDBACK: ("softmax, decay", "softmax only", "decay only", "neither"),
    LEAKY: ("softmax only", "neither"),
}


@pytest.mark.parametrize("name", TASKS)
def test_each_condition_differs_from_the_training_in_one_setting(name):
    task = TASKS[name]
    found = conditions(task, AXES[name])
    assert found[TRAINED] == task and len(set(found.values())) == len(found)
    for name, other in found.items():
        changed = [key for key in type(task).model_fields if getattr(task, key) != getattr(other, key)]
        assert len(changed) == (name != TRAINED)


def test_as_many_digits_are_tested_in_every_condition():
    trained = TASKS["digits"]
    for count in AXES["digits"]["count"]:
        assert images_of(trained.replace(count=count), trained, 12) * count == 36
    assert images_of(TASKS["textures"].replace(regions=6), TASKS["textures"], 12) == 12


def rows(more=0.0, later=0.0, parts=8, masks="settled"):
    """Steps add 0.01 F1 on the easiest images and that much more at the hard end of digits' fragments."""
    found = []
    for cell in EXPERIMENT.cells("full"):
        kind, jitter = cell["model"], 1e-4 * (-1) ** cell["seed"]
        at = {}
        for name in conditions(TASKS[cell["task"]], AXES[cell["task"]]):
            gain = 0.01 + (more if name == "debris 24" else 0) + jitter
            steps = [0.8 - gain, 0.8, 0.8 + (later if kind == FEEDBACK else 0)]
            f1 = [0.75 + jitter] if kind in (PLAIN, WIDE) else [one - 0.1 * (kind == CUT) for one in steps]
            at[name] = {"f1": f1, "iou": [0.7] * len(f1), "lost": 0}
        states = "settled" if kind == LEAKY else "switched off"
        way = {"states": {states: 2}, "masks": {masks: 2}, "f1": 0.8}
        ways = dict.fromkeys(WAYS.get(kind, ()), way)
        result = {"at": at, "ways": ways, "weights": 9, "updates": 7}
        if cell["seed"] < parts:
            found.append(Row(cell, result, 1.0, ""))
    return found


def test_what_steps_add_is_told_of_one_model_on_the_same_images():
    found = rows()
    assert added(found, "digits", TRAINED).mean == pytest.approx(0.01, abs=1e-6)
    assert not any(one.different for one in grows(found).values())
    assert "not seen to add more" in EXPERIMENT.conclude(found).because
    steep = grows(rows(more=0.05))
    assert [name for name, one in steep.items() if one.different] == ["digits, fragments"]
    assert "the steps add more for digits, fragments." in EXPERIMENT.conclude(rows(more=0.05)).because
    assert "less for digits, fragments." in EXPERIMENT.conclude(rows(more=-0.05)).because


def test_what_moves_past_t_and_what_diverges_is_counted():
    assert {one.answer for one in held(rows(), "digits").values()} == {"equal within margin"}
    assert {one.answer for one in held(rows(later=-0.04), "digits", LEAKY).values()} == {
        "equal within margin"
    }
    assert "at 3T it is 0.040 off at most" in EXPERIMENT.conclude(rows(later=-0.04)).because
    found = rows(masks="drifting")
    told = EXPERIMENT.conclude(found).because
    assert lost(found) == (0, 80) and "the clock switches 48 of 48 states off" in told
    assert "with the decay off 0 masks settle, 0 without softmax; " in told
    assert "of 32 runs of leaky loops 0 masks do, and 32 states." in told
    found[0].result["at"]["debris 24"]["lost"] = 2
    assert lost(found) == (2, 80) and "As built 2 runs diverge" in EXPERIMENT.conclude(found).because


def test_two_models_of_a_task_are_told_with_what_else_differs():
    found = EXPERIMENT.conclude(rows())
    assert "; feedforward, 9 weights, 7 updates" in found.details and "+0.05" in found.details
    assert "One training seed of each model" in found.details
    assert all(one.difference.mean == pytest.approx(0.1) for one in lead(rows(), "digits", CUT).values())
    charts, lines = EXPERIMENT.panels(rows()), EXPERIMENT.table(rows())
    assert len(charts) == 8 and charts[0].series[0].x == (0, 6, 24)
    assert [line.name for line in charts[0].series][2:] == [CUT, LEAKY, PLAIN, WIDE]
    assert [line.name for line in charts[-1].series][2:] == [PLAIN]
    told = [line["loop"] for line in lines if line["on"] == "neither"]
    assert told == [
        "digits, feedback",
        "digits, feedback, leaky",
        "textures, feedback",
        "textures, feedback, leaky",
        "whole digits, feedback",
    ]
    assert len(lines) == 16
    assert lines[0]["masks"] == "settled 16"


def test_a_loop_is_watched_as_it_was_built():
    for (_, kind), file in FILES.items():
        model = read_card(file).model
        assert (kind in AS_BUILT) == (model.kind == "feedback")
        assert (model.decay == "none") == (kind == LEAKY)


def test_scores_of_a_checkpoint_are_taken_at_the_steps_told():
    model, card = load(FILES["digits", "feedforward"])
    batch = make_batch(card.task, 2, 0, "test")
    found = scored(model, batch)
    assert [len(found[key]) for key in ("f1", "iou")] == [1, 1] and found["lost"] == 0
    with torch.no_grad():
        model.head.bias[0] += 1e6  # all background
    assert scored(model, batch)["f1"] == [0.0]
    assert GRIDS["full"]["parts"] >= 8 and set(EXPERIMENT.checkpoints) == set(FILES.values())


def test_the_readme_says_of_real_images_what_the_cards_and_rows_say():
    found = read(path_of("real", "full"))[1]
    text = " ".join((Path(__file__).resolve().parents[3] / "README.md").read_text().split())

    def f1(file):
        card = read_card(file)
        score = Decimal(str(card.f1[card.model.steps if len(card.f1) > 2 else 1]))
        return str(
            score.quantize(Decimal("0.001"), ROUND_HALF_UP)
        )  # as it was before it was cut to four digits

    for task, told in (
        ("digits", "{}, {} and {} on handwritten digits"),
        ("textures", "{}, {} and {} on textures"),
    ):
        assert told.format(*(f1(FILES[task, kind]) for kind in (FEEDBACK, CUT, PLAIN))) in text
    whole = (f1(FILES[WHOLE, kind]) for kind in (FEEDBACK, PLAIN))
    assert "feedback has {} and feedforward {}.".format(*whole) in text
    digits, textures = (f1(FILES[task, LEAKY]) for task in ("digits", "textures"))
    assert f"has {digits} on digits and {textures} on textures; of 16 of its runs" in text
    on, states, masks = "softmax only", "states", "masks"
    assert counted(found, "digits", on, masks, LEAKY) == {"settled": 16}
    settled = [counted(found, "textures", on, what, LEAKY)["settled"] for what in (masks, states)]
    still = counted(found, "digits", on, states, LEAKY)["settled"]
    assert (
        "all masks settle and {} states, and on textures {} masks and {} states".format(still, *settled)
        in text
    )
    free = sum((counted(found, task, on, masks) for task in AXES), Counter())
    assert "no mask of 48 settles" in text and free.total() == 48 and not free["settled"]
    assert lost(found)[0] == 0 and "no state diverges" in text
    gains = [added(found, task, TRAINED).mean for task in ("digits", "textures")]
    assert "add {:.2f} to F1 on digits and {:.3f} on textures".format(*gains) in text
