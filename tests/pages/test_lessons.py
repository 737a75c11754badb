"""Every lesson's sentence, held against the numbers it speaks of."""

import numpy as np
import pytest
from driven import app, sound
from test_explore import header

from fbseg_core import load, rollout
from fbseg_core.tasks import draw
from pages.ui.presets import LESSONS


def curves(key, which="run"):
    return {
        name: np.array(values, float) for name, values in header(app(lesson=key))["curves"][which].items()
    }


def test_stopped_too_soon():
    run, stop = curves("stopped-too-soon"), header(app(lesson="stopped-too-soon"))["auto"]["stop"]
    assert stop == 9 and run["f1"][-1] > run["f1"][stop] + 0.1
    view = LESSONS["stopped-too-soon"].view
    model, card = load("grouping-feedback")
    image = draw(card.task, view.image, view.noise)
    masks = rollout(model, image.x, view.T).logits[:, 0].argmax(1)
    wrong = ((masks > 0) & (image.labels[0] == 0)).flatten(1).sum(1)
    missed = ((masks == 0) & (image.labels[0] > 0)).flatten(1).sum(1)
    assert wrong[stop] > 200 and wrong[-1] < wrong[stop] / 2 and missed[stop] < 20
    others = [
        header(app(task="grouping", image=str(image), auto="true"))["auto"]["stop"] for image in range(12)
    ]
    assert set(others) <= {8, 9} and others.count(9) > 8


def test_there_are_at_least_eight():
    assert len(LESSONS) >= 8


@pytest.mark.parametrize("key", LESSONS)
def test_each_opens_from_the_menu_with_its_sentence_and_its_link(key):
    at = app()
    at.selectbox(key="explore-lesson").set_value(key).run()
    sound(at)
    assert not at.warning
    assert LESSONS[key].look in at.info[0].value and LESSONS[key].view.lesson == key
    assert dict(at.query_params) in ({"v": "1", "lesson": key}, {"v": ["1"], "lesson": [key]})
    assert header(at)["run"] == header(app(lesson=key))["run"]


def test_the_loop_is_everything():
    run, cut = curves("loop-everything"), curves("loop-everything", "beside")
    assert run["f1"][-1] > 0.99 and run["f1"][1] < 0.5 and (run["flips"][1:6] > 20).all()
    assert cut["f1"].max() < 0.5 and np.ptp(cut["f1"][1:]) < 0.15


def test_the_loop_is_nothing():
    run, plain = curves("loop-nothing"), curves("loop-nothing", "beside")
    assert abs(run["f1"][1] - run["f1"][-1]) < 0.02 and abs(run["f1"][-1] - plain["f1"][-1]) < 0.02


def test_switched_off_not_settled():
    run = curves("switched-off")
    assert run["flips"][6:13].sum() == 0 and run["f1"][12] < 0.7
    assert run["flips"][13:].min() > 0


def test_no_decay():
    run = curves("no-decay")
    growth = np.diff(run["norm"])[5:]
    assert growth.min() > 0 and growth.max() / growth.min() < 1.2
    assert run["flips"][14:].sum() <= 5


def test_over_damped():
    run = curves("over-damped")
    assert run["flips"][-3:].sum() == 0 and run["f1"][-1] < 0.7
    assert curves("loop-everything")["f1"][-1] > 0.99  # the same image with the model's own τ


def test_beyond_the_noise():
    run, plain = curves("beyond-noise"), curves("beyond-noise", "beside")
    assert abs(run["f1"][-1] - run["f1"][1]) < 0.05 and plain["f1"][-1] > run["f1"][-1] + 0.05


def test_two_cues():
    at, usual = app(lesson="two-cues"), app(task="grouping", image="2")
    chance = [header(one)["chance"] for one in (at, usual)]
    assert chance[0] == chance[1]  # the same truth
    assert header(at)["curves"]["run"]["f1"][-1] > 0.99


def test_unlearned_size():
    assert max(curves("unlearned-size", which)["f1"].max() for which in ("run", "beside")) < 0.1


def test_swap():
    run = curves("swap")
    assert run["old"][-1] > 0.8 and run["f1"][-1] < 0.6


def test_late_kick():
    run, ghost = curves("late-kick"), curves("late-kick", "ghost")
    assert run["f1"][-1] < ghost["f1"][-1] - 0.05
    assert run["flips"][-5:].max() <= 3 and ghost["flips"][-5:].max() == 0


def test_erase():
    run = curves("erase")
    assert run["f1"][6] < 0.1 and run["f1"][-1] > 0.5 and run["flips"][-1] < run["flips"][14:].max()


def test_cut_half_way():
    run, ghost = curves("cut-half-way"), curves("cut-half-way", "ghost")
    assert run["f1"][-1] < run["f1"][4] - 0.05 and ghost["f1"][-1] > 0.99
