"""Every lesson's sentence, held against the numbers of its picture: curves and blocks as they are sent."""

import functools
import json
import re
import struct

import numpy as np
import pytest
import torch
from driven import explore as app
from driven import sound
from test_explore import header

from fbseg_core import load, rollout
from fbseg_core.checkpoint import read_card
from fbseg_core.models.registry import count_weights
from fbseg_core.rollout.halting import AUTO
from fbseg_core.rollout.interventions import Paint, intervene, pack_mask
from fbseg_core.scores.metrics import f1_over_time
from fbseg_core.tasks import draw
from pages.explore.lessons import LESSONS


@functools.cache
def sent(key):
    """The header and the blocks that a lesson's player is sent."""
    raw = app(lesson=key).get("bidi_component")[0].proto.bytes
    start = 4 + struct.unpack("<I", raw[:4])[0]
    head, blocks = json.loads(raw[4:start]), {}
    for name, (offset, kind, shape, lo, hi) in head["blocks"].items():
        values = np.frombuffer(raw, kind, int(np.prod(shape)), start + offset).reshape(shape).astype(float)
        blocks[name] = lo + (hi - lo) * values / (65535 if kind == "uint16" else 255)
    return head, blocks


def curves(key, which="run"):
    return {name: np.array(values, float) for name, values in sent(key)[0]["curves"][which].items()}


def says(key, *phrases):
    """A lesson says these phrases, and no number outside them."""
    rest = LESSONS[key].look.replace("F1", "")
    phrases = [phrase.replace("F1", "") for phrase in phrases]
    for phrase in phrases:
        assert phrase in rest, phrase
        rest = rest.replace(phrase, "")
    assert not re.search(r"\d", rest), rest


# ---- all of them --------------------------------------------------------------------------------------


OFTEN = list(LESSONS)[::4]  # opened in every run; the others by -m slow


@pytest.mark.parametrize(
    "key", [key if key in OFTEN else pytest.param(key, marks=pytest.mark.slow) for key in LESSONS]
)
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
        f"F1 {run['f1'][10]:.2f}. Set τ to {card.model.tau:g} in the sidebar, "
        f"and F1 is {usual[10]:.2f} at step 10",
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


def test_swap():
    run, view = curves("swap"), LESSONS["swap"].view
    head, blocks = sent("swap")
    says(
        "swap",
        f"At step {view.do[0].t} the image",
        f"to {100 * run['applied'][9] / run['delta'][9]:.0f} % and less",
        f"at step {view.T} F1 is {run['f1'][20]:.2f} against the new image and still {run['old'][20]:.2f}",
    )
    assert blocks["of_step"].tolist() == [0] * 8 + [1] * 13
    kept = blocks["run.mask"][20] * blocks["run.mask"][7]
    assert kept.sum() > 0.8 * blocks["run.mask"][7].sum()  # most of the old mask
    shares = [blocks["truth"][i].mean() for i in blocks["of_step"].astype(int)]
    every = head["trivial"]["f1"]  # of the image in force, as chance is
    assert [len(set(every[:8])), len(set(every[8:])), every[7] != every[8]] == [1, 1, True]
    assert all(shared > 2 * p / (1 + p) for shared, p in zip(every, shares))
    assert head["chance"] == pytest.approx([2 * p / (1 + p) for p in shares], abs=1e-4)


def test_late_perturbation():
    name = "late-perturbation"
    run, ghost, view = curves(name), curves(name, "ghost"), LESSONS[name].view
    most = run["label_flips"][-5:].max()
    says(
        name,
        f"added to the state at step {view.do[0].t}, and F1 falls to {run['f1'][10]:.2f}",
        f"{run['f1'][30]:.2f} at step {view.T}, against {ghost['f1'][30]:.2f} of the untouched run",
        f"most {most:.0f} pixels change",
    )
    assert ghost["label_flips"][-5:].max() <= most


@pytest.mark.slow
def test_erase():
    run, ghost, view = curves("erase"), curves("erase", "ghost"), LESSONS["erase"].view
    back = {t: [end > 0.9 for end in ends_of_halves_wiped_at(t)] for t in (4, 6)}
    says(
        "erase",
        f"At step {view.do[0].t} the lower half",
        f"falls from {ghost['f1'][4]:.2f} to {run['f1'][4]:.2f}",
        f"to {run['f1'][20]:.2f} at step {view.T}",
        f"of {len(back[4])} halves of images 0 to 39, {sum(back[4])} came back above 0.9 when wiped at "
        f"step 4, and {sum(back[6]) or 'none'} when wiped at step 6",
    )
    mask = sent("erase")[1]["run.mask"]
    assert mask[4][24:].sum() == 0 and mask[3][24:].sum() > 200 and mask[20][24:].sum() > 200


def ends_of_halves_wiped_at(t):
    """F1 at step 20 of images 0 to 39 with a half wiped that holds 35 to 65 % of the region, not the cue."""
    model, card = load("grouping-feedback")
    rows, columns = torch.meshgrid(torch.arange(48), torch.arange(48), indexing="ij")
    found = []
    for image in range(40):
        batch = draw(card.task, image, 0)
        cue, truth = batch.x[0, 1] > 0, batch.labels[0] > 0
        for half in (rows < 24, rows >= 24, columns < 24, columns >= 24):
            if (cue & half).any() or not 0.35 < float((truth & half).sum() / truth.sum()) < 0.65:
                continue
            wipe = Paint(t=t, target="h", like="background", mask=pack_mask(half.numpy()))
            end = intervene(model, card.task, batch, 20, [wipe]).trajectory.logits[-1:]
            found.append(float(f1_over_time(end, batch.labels)[-1, 0]))
    return found


def test_cut_half_way():
    run, ghost, view = curves("cut-half-way"), curves("cut-half-way", "ghost"), LESSONS["cut-half-way"].view
    says(
        "cut-half-way",
        f"cut at step {view.do[0].t}",
        f"F1 sinks from {run['f1'][4]:.2f} to {run['f1'][20]:.2f}",
        f"comes to {ghost['f1'][20]:.2f}",
    )
    delta = sent("cut-half-way")[1]["run.delta"]
    assert (delta[5:] == delta[5]).all() and (delta[4] != delta[5]).any()  # the same answer at every step


def test_stopped_once_the_mask_stands_still():
    run, head = curves("stopped-too-soon"), sent("stopped-too-soon")[0]
    view = LESSONS["stopped-too-soon"].view
    model, card = load("grouping-feedback")
    x = torch.cat([draw(card.task, image, 0).x for image in range(12)])
    found = AUTO.stop(rollout(model, x, view.T))
    stopped = found[found >= 0]
    assert head["auto"]["stop"] is None and found[8] < 0
    says(
        "stopped-too-soon",
        "images 0 to 11",
        f"stopped {len(stopped)} by step {view.T}, the soonest at step {stopped.min()} and the last at step "
        f"{stopped.max()}",
        f"(F1 {run['f1'][5]:.2f} at step 5, {run['f1'][9]:.2f} at step 9)",
        f"{run['f1'][20]:.2f} at step {view.T}",
    )
    stop = 9
    blocks = sent("stopped-too-soon")[1]
    wrong = ((blocks["run.mask"] > 0) & (blocks["truth"][0] == 0)).sum((1, 2))
    assert wrong[stop] > 200 > 10 * wrong[5] and wrong[20] < wrong[stop] / 2
    missed = ((blocks["run.mask"] == 0) & (blocks["truth"][0] > 0)).sum((1, 2))
    assert missed[stop] < 20


@pytest.mark.slow
def test_settled_not_switched_off():
    run, view = curves("settled"), LESSONS["settled"].view
    says(
        "settled",
        "(E5')",
        f"At step {view.do[0].t} it moves by less than a millionth of its length, and F1 is "
        f"{run['f1'][29]:.2f}",
        f"to {run['f1'][32]:.2f} at step 32",
        f"to {run['f1'][40]:.2f} at step 40",
    )
    assert run["f1"][30:].min() == run["f1"][32]
    assert run["update"][29] < 1e-6 and run["update"][60] < 1e-6 and (run["f1"][40:] > 0.995).all()
    card = read_card(view.model)
    assert card.model.integrator == "leaky" and card.model.decay == "none"


@pytest.mark.slow
def test_it_lets_go():
    run, clocked = curves("lets-go"), curves("lets-go", "comparison")
    view = LESSONS["lets-go"].view
    says(
        "lets-go",
        f"At step {view.do[0].t} the image",
        f"F1 is {run['f1'][30]:.2f} at once and {run['f1'][35]:.2f} five steps later",
        f"stays at {clocked['f1'][60]:.2f}",
        f"with image 8 to come instead of image {view.do[0].seed} a part",
        f"F1 ends at {ends_of_another_swap():.2f}",
    )
    assert np.ptp(clocked["f1"][30:]) < 0.01 and (run["f1"][35:] > 0.99).all()


def ends_of_another_swap():
    """F1 at the end with image 8 to come; its mask holds a part that the fresh run has not."""
    view = LESSONS["lets-go"].view
    model, card = load(view.model)
    batch, other = (draw(card.task, image, 0) for image in (view.image, 8))
    swap = view.do[0].model_copy(update={"seed": 8})
    end = intervene(model, card.task, batch, view.T, [swap]).trajectory.logits[-1:]
    fresh = rollout(model, other.x, 60).logits[-1:]
    assert float(f1_over_time(fresh, other.labels)[-1, 0]) > 0.99
    kept = (end.argmax(2) > 0) & (other.labels == 0) & (other.trivial > 0)  # of other regions
    assert kept.sum() > 30 and kept.sum() > 0.8 * ((end.argmax(2) > 0) & (other.labels == 0)).sum()
    return float(f1_over_time(end, other.labels)[-1, 0])


@pytest.mark.slow
def test_harder_takes_longer():
    view = LESSONS["harder"].view
    model, card = load(view.model)
    ways, last = [], []
    for image in (view.image, 8):
        batch = draw(card.task, image, 0)
        masks = rollout(model, batch.x, view.T).logits.argmax(2)
        changed = (masks[1:] != masks[:-1]).flatten(1).any(1)
        ways.append(int(batch.info["path_length"][0]))
        last.append(int(changed.nonzero().max()) + 1)
        assert float(f1_over_time(rollout(model, batch.x, view.T).logits, batch.labels)[-1, 0]) > 0.99
    says(
        "harder",
        f"is {ways[0]} px long here, and no pixel changes after step {last[0]}",
        f"in image 8 it is {ways[1]} px, and none does after step {last[1]}",
    )
    commit, truth = sent("harder")[1]["run.commit"][-1], sent("harder")[1]["truth"][0] > 0
    early, late = np.percentile(commit[truth], [10, 90])
    assert late > 2 * early
