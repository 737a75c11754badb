"""Lessons in which something is changed on the way, or the run goes on: each sentence against its numbers."""

import numpy as np
import pytest
import torch
from lesson_sent import curves, says, sent

from fbseg_core import load, rollout
from fbseg_core.checkpoint import read_card
from fbseg_core.rollout.halting import AUTO
from fbseg_core.rollout.interventions import Paint, intervene, pack_mask
from fbseg_core.scores.metrics import f1_over_time
from fbseg_core.tasks import draw
from pages.explore.lessons import LESSONS


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
