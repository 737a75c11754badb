"""Whatever the sliders' ends make of a run, what was reached can be sent, drawn and taken along."""

import itertools

import numpy as np
import pytest
import torch
from received import parted

from fbseg_core import pca
from fbseg_core.analysis.ensemble import ensemble, redraw
from fbseg_core.rollout.interventions import Flip, Freeze, Perturb
from fbseg_core.settings import settings_of
from pages.explore import exports
from pages.explore.player.payload import lay_out, pack
from pages.explore.run import choices, compute, ended_early, scene_of
from pages.explore.state import ExploreState
from pages.ui import models

MODELS = [(task, name) for task in ("shapes", "grouping") for name in choices(models.cards(), task)[0]]
ENDS = {
    key: (settings_of(ExploreState)[key].lo, settings_of(ExploreState)[key].hi)
    for key in ("tau", "eigenvalue", "sigma", "clock")
}
STEPS = 6  # at τ 0.05 and eigenvalue 2 a float32 ends at step 3, at τ 0.1 at step 5


def ran(view):
    """The run of a view, and the same untouched (the same object if so)."""
    scene = scene_of(view, models.cards())
    nets = [models.model(name)[0] for name in scene.models]
    run = compute(scene, *nets)
    return run, compute(scene.untouched(), *nets) if scene.do else run


def sent(run, untouched, what="h", draws=False):
    """The header of the payload, read as a browser would: NaN and Infinity are refused."""
    trajectory = untouched.trajectory
    truth = untouched.labels[0, 0] > 0
    plane = pca(trajectory, 2, what=what, regions=torch.stack([truth, ~truth]) if what != "h" else None)
    steps = None
    if draws:
        batch = redraw(run.scene.task, run.content, 4, run.scene.noise)
        net = models.model(run.scene.models[0])[0]
        steps = list(itertools.islice(ensemble(net, batch, run.scene.switches, plane), run.scene.steps + 1))
    raw = pack(lay_out(run, untouched, plane, steps, fed=True, state=True), {})
    return parted(raw)[0]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "task, model", [MODELS[0], *(pytest.param(*one, marks=pytest.mark.slow) for one in MODELS[1:])]
)
def test_the_payload_is_finite_at_the_ends_of_all_sliders(task, model):
    cut_short = 0
    more = (
        {"sigma": ENDS["sigma"][0]},
        {"sigma": ENDS["sigma"][1], "clock": ENDS["clock"][1]},
        {"kernel": "fractional"},
    )
    for tau, eigenvalue in itertools.product(ENDS["tau"], ENDS["eigenvalue"]):
        for other in more:
            view = ExploreState(task=task, model=model, T=STEPS, tau=tau, eigenvalue=eigenvalue, **other)
            run, untouched = ran(view)
            head = sent(run, untouched)
            assert all(np.isfinite(block[3:]).all() for block in head["blocks"].values()), view
            assert head["steps"] == len(run.trajectory) and bool(head["stopped"]) == (head["steps"] < STEPS)
            assert [head["stopped"] in said for said in ended_early(run, untouched)] == [True] * bool(
                head["stopped"]
            )
            cut_short += bool(head["stopped"])
    clocked = models.cards()[model].model.decay != "none"
    assert (
        cut_short >= 2 * clocked
    )  # else this test has lost its subject; without a clock no slider is at work


HUGE = {"tau": 0.1, "eigenvalue": 2.0}


@pytest.mark.parametrize(
    "what, more",
    [
        ("h", {}),
        ("logits", {"clock": 60}),  # nothing but the start is reached
        ("h", {"clock": 4}),  # huge, and finite throughout
        ("logits", {"do": (Perturb(t=4), Flip(t=4, switch="softmax"))}),
        ("v", {"do": (Flip(t=2, switch="decay"),)}),  # only the untouched run overflows
        ("h", {"clock": 0, "do": (Freeze(t=2, on=False),)}),  # only the run does
    ],
)
def test_overflow_leaves_plane_draws_and_files_whole(what, more):
    run, untouched = ran(ExploreState(task="grouping", T=8, **HUGE, **more))
    head = sent(run, untouched, what, draws=True)
    assert len(head["bands"]["f1"][0]) == len(untouched.trajectory) + 1
    rows = exports.table(run, untouched).splitlines()
    assert len(rows) == len(run.trajectory) + 2
    assert not {"inf", "nan"} & set(",".join(rows[1:]).replace("-", "").split(","))
    assert exports.arrays(run).startswith(b"PK")
    assert exports.animation(run, untouched, ["feedback", "feedforward"]).startswith(b"\x89PNG")
    sentences = ended_early(run, untouched)
    assert len(sentences) == sum(
        bool(one.trajectory.stopped) for one in {id(r): r for r in (run, untouched)}.values()
    )


def test_a_path_too_small_for_three_decimals_is_still_a_path():
    run, untouched = ran(ExploreState(task="grouping", T=4, tau=2.0, clock=25))
    path = np.array(sent(run, untouched)["plane"]["run"][0])
    assert 0 < np.ptp(path[:, 0]) < 0.01 and len(np.unique(path[:, 0])) == 5
