"""Every lesson's sentence, held against the numbers of its picture: curves and blocks as they are sent."""

import numpy as np
import pytest
import torch
from driven import explore as app
from driven import sound
from lesson_sent import curves, says, sent
from received import header
from tiers import forms

from fbseg_core import load, rollout
from fbseg_core.checkpoint import read_card
from fbseg_core.models.registry import count_weights
from fbseg_core.scores.metrics import f1_over_time
from fbseg_core.tasks import draw
from pages.explore.lessons import LESSONS

# ---- all of them --------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", forms(LESSONS, often=list(LESSONS)[::8], slow=list(LESSONS)[::3]))
def test_each_opens_from_the_menu_with_its_sentence_and_its_link(key):
    at = app()
    at.selectbox(key="explore-lesson").set_value(key).run()
    sound(at)
    assert not at.warning
    assert LESSONS[key].look in at.info[0].value and LESSONS[key].view.lesson == key
    assert dict(at.query_params) in ({"v": "1", "lesson": key}, {"v": ["1"], "lesson": [key]})
    assert header(at)["run"] == sent(key)[0]["run"]


def test_links_to_lessons_keep_working():
    assert set(LESSONS) == {
        "loop-everything", "loop-nothing", "switched-off", "no-decay", "over-damped", "beyond-noise",
        "two-cues", "unlearned-size", "swap", "late-perturbation", "erase", "cut-half-way",
        "stopped-too-soon", "settled", "lets-go", "harder",
    }  # fmt: skip


@pytest.mark.parametrize("key", LESSONS)
def test_the_curve_on_show_is_the_one_its_sentence_speaks_of(key):
    view, look = LESSONS[key].view, LESSONS[key].look
    assert view.t is None  # the run plays to its end, or to where it is stopped
    assert (view.curve == "norms") == ("‖" in look)
    assert "F1" in look or view.curve != "f1" or view.layer == "commit"
    assert ("(blue)" in look) <= (view.layer == "error")


# ---- each of them -------------------------------------------------------------------------------------


def test_grouping_with_the_loop_and_without():
    run, cut, blocks = (
        curves("loop-everything"),
        curves("loop-everything", "comparison"),
        sent("loop-everything")[1],
    )
    deep, ours = read_card("grouping-feedforward-deep"), read_card("grouping-feedback")
    weights = [count_weights(card.model) for card in (deep, ours)]
    says(
        "loop-everything",
        f"fills it by step 6 (F1 {run['f1'][6]:.2f})",
        f"ends at F1 {cut['f1'][10]:.2f}",
        f"has {weights[0] / weights[1]:.0f} times the weights, scores as well",
        f"whatever the cue, scores {ours.trivial:.2f}",
    )
    assert (deep.task, deep.train, deep.images) == (ours.task, ours.train, ours.images)
    assert deep.f1[1] == pytest.approx(ours.f1[10], abs=0.005)
    hits = (blocks["run.mask"] * blocks["truth"]).sum((1, 2))
    assert (np.diff(hits[:7]) > 0).all() and hits[6] > 0.99 * blocks["truth"].sum()
    theirs = read_card("grouping-loop-cut")
    assert (theirs.task, theirs.train) == (ours.task, ours.train)
    assert theirs.model == ours.model.replace(kind="loop_cut")


def test_a_single_shape():
    run, baseline = curves("loop-nothing"), curves("loop-nothing", "comparison")
    says(
        "loop-nothing",
        f"F1 is {run['f1'][1]:.2f} after one step and {run['f1'][10]:.2f} after ten",
        f"has {baseline['f1'][10]:.2f} on this image",
    )
    ours, theirs = read_card("shapes-feedback"), read_card("shapes-feedforward")
    assert (theirs.task, theirs.train) == (ours.task, ours.train)


def test_switched_off_not_settled():
    run, view = curves("switched-off"), LESSONS["switched-off"].view
    says(
        "switched-off",
        f"With τ = {view.tau:g} no pixel changes from step 5 to step {view.do[0].t}",
        f"(F1 {run['f1'][12]:.2f})",
        "At step 12 the damping",
        f"to F1 {run['f1'][20]:.2f} at step 20 and {run['f1'][24]:.2f} at step {view.T}",
    )
    assert (
        run["label_flips"][4] > 0
        and run["label_flips"][5:13].sum() == 0
        and run["label_flips"][13:].min() > 0
    )
    assert np.ptp(run["delta"][1:]) < 0.001 * run["delta"][1] and run["applied"][12] < 1e-4 * run["delta"][12]


@pytest.mark.slow
def test_no_decay():
    run, view = curves("no-decay"), LESSONS["no-decay"].view
    growth = np.diff(run["norm"])[10:]
    says(
        "no-decay",
        f"from step 10 on by {growth.min():.0f} to {growth.max():.0f} at every step",
        f"at step {view.T} is {run['norm'][40] / run['norm'][1]:.0f} times what it was at step 1",
        "changes after step 13",
    )
    assert growth.max() / growth.min() < 1.02 and view.scale == "linear"  # even growth is a straight line
    assert run["label_flips"][13] > 0 and run["label_flips"][14:].sum() == 0


def test_over_damped():
    run, card, blocks = curves("over-damped"), read_card("grouping-feedback"), sent("over-damped")[1]
    usual = curves("loop-everything")["f1"]  # the same image with the model's own τ
    says(
        "over-damped",
        f"τ = {LESSONS['over-damped'].view.tau} steps instead of {card.model.tau:g}",
        "changes after step 6",
        f"F1 {run['f1'][10]:.2f}. Set τ to {card.model.tau:g} beside σ, and F1 is {usual[10]:.2f} at step 10",
    )
    assert run["label_flips"][6] > 0 and run["label_flips"][7:].sum() == 0
    missed = (blocks["truth"][0] > 0) & (blocks["run.mask"][10] == 0)
    assert missed[24:].sum() > 0.95 * missed.sum() and missed[24:].mean() > 0.2


@pytest.mark.slow
def test_beyond_the_noise():
    run, baseline = curves("beyond-noise"), curves("beyond-noise", "comparison")
    cards = [read_card(name) for name in ("shapes-feedback", "shapes-feedforward")]
    says(
        "beyond-noise",
        f"σ = {LESSONS['beyond-noise'].view.sigma:g}, trained at σ = {cards[0].task.sigma:g}",
        f"F1 is {run['f1'][1]:.2f} after one step and {run['f1'][10]:.2f} after ten",
        f"has {baseline['f1'][10]:.2f}, and is better on each of the images 0 to 9",
    )
    batches = [draw(cards[0].task.replace(sigma=2.0), image, 0) for image in range(10)]
    x, labels = (torch.cat(parts) for parts in zip(*((batch.x, batch.labels) for batch in batches)))
    ours, theirs = (
        f1_over_time(rollout(load(name)[0], x, steps).logits, labels)[-1]
        for name, steps in (("shapes-feedback", 10), ("shapes-feedforward", 1))
    )
    assert (theirs > ours).all()


def test_two_cues():
    (_, ours), (_, usual) = sent("two-cues"), sent("loop-everything")
    assert (ours["truth"] == usual["truth"]).all()
    region, row = ours["truth"][0] > 0, np.arange(48)[:, None]
    lower, upper = region & (row >= 24), region & (row < 24)
    near, far = (ours["run.commit"][10][half].mean() for half in (lower, upper))
    before = [usual["run.commit"][10][half].mean() for half in (lower, upper)]
    says(
        "two-cues",
        f"{near:.1f} on average in the lower half and {far:.1f} in the upper",
        f"it was {before[0]:.1f} and {before[1]:.1f}",
    )
    assert near < far and before[1] < before[0]
    assert sent("two-cues")[0]["cues"][0][0] >= 24 > sent("loop-everything")[0]["cues"][0][0]


def test_unlearned_size():
    run, baseline = curves("unlearned-size"), curves("unlearned-size", "comparison")
    task, disc = read_card("shapes-feedback").task, sent("unlearned-size")[1]["truth"][0]
    says(
        "unlearned-size",
        f"radius {disc.any(1).sum() / 2:.0f} px, where no shape seen in training had more than "
        f"{task.radius_max * task.side:.0f} px",
        f"(F1 {run['f1'][10]:.2f} and {baseline['f1'][10]:.2f})",
    )
    assert max(run["f1"].max(), baseline["f1"].max()) < 0.1
