"""The paper's Figure 5: PC1 of the logits over time settles. Is F content, or has its clock stopped?

With the clock running the gain goes to 0, so every run comes to rest whatever F does. Two controls tell: the
same run with the clock held at t = 0, where the gain is 1; and a model whose loop is cut, which makes the
same correction at every step. With δ instance-normalised (E3) the state cannot rest while the clock is held,
as ‖δ‖ cannot vanish: only PC1 and the mask can show there that F is content. A feedforward model takes a
single pass: it is static by construction, and its line is flat because nothing is iterated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from fbseg_core.analysis.curves import arrival, from_when
from fbseg_core.analysis.describe import TOLERANCE
from fbseg_core.analysis.pca import fit_plane
from fbseg_core.config import ModelConfig, ShapesConfig, Switches, TaskConfig, pixel_sigma
from fbseg_core.experiments.common import pooled_f1, rounded, rounded_all, seed_of_test, setup_of, trained
from fbseg_core.experiments.records import (
    NONE,
    Experiment,
    Finding,
    Listed,
    Others,
    Panel,
    Profile,
    Row,
    Series,
)
from fbseg_core.experiments.report import geometric_mean, mean, over_seeds, words
from fbseg_core.experiments.subject import Subject, of_run
from fbseg_core.experiments.thresholds import FLOOR, MOST
from fbseg_core.models.base import AS_BUILT, Model
from fbseg_core.rollout.trajectory import rollout
from fbseg_core.scores.metrics import label_flips, mask_of
from fbseg_core.tasks import make_batch
from fbseg_core.training.fewshot import PAPER_TAU, TrainingRun, few_shot

CLOCKS = {"running": AS_BUILT, "frozen": Switches(clock=0)}
TAUS = (PAPER_TAU, ModelConfig().tau)
MODELS = (*((model, tau) for model in ("feedback", "loop cut") for tau in TAUS), ("feedforward", None))
GRIDS: dict[Profile, dict[str, Any]] = {
    "tiny": {"seeds": 2, "side": 16, "images": 4, "updates": 2},
    "quick": {"seeds": 2, "side": 32, "images": 8, "updates": 0},
    "full": {"seeds": 8, "side": 64, "images": 16, "updates": 0},
}


def cells(profile: Profile) -> list[dict[str, Any]]:
    """model and τ × seed: single shapes under the paper's protocol, ten examples, paper sigma 4, 30 steps."""
    grid = GRIDS[profile]
    return [
        {
            "model": model, "tau": tau, "seed": seed, "examples": 10, "paper_sigma": 4.0, "steps": 30,
            "side": grid["side"], "images": grid["images"], "updates": grid["updates"],
        }
        for model, tau in MODELS
        for seed in range(grid["seeds"])
    ]  # fmt: skip


def run_of(settings: Mapping[str, Any]) -> tuple[TaskConfig, TrainingRun]:
    """The task and the run of a cell."""
    side = settings["side"]
    task = ShapesConfig(side=side, sigma=pixel_sigma(settings["paper_sigma"], side))
    setup = setup_of(settings, "paper").replace(tau=settings["tau"])
    task, feedback, plain = few_shot(task, setup)
    cut = TrainingRun("loop cut", feedback.model.replace(kind="loop_cut"), feedback.train)
    (run,) = (run for run in (feedback, cut, plain) if run.name == settings["model"])
    return task, run


def subjects(settings: Mapping[str, Any]) -> Sequence[Subject]:
    """The model of a cell, its clock running and frozen."""
    task, run = run_of(settings)
    return [of_run(task, run, settings["steps"], how) for how in CLOCKS.values()]


def measure(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Train one model, and follow it on fresh images with its clock running and frozen at 0.

    explained: PC1's share of variance, nearly all of it with two classes. For each clock: pc1_shape and
    pc1_background (steps + 1,) in units of the logits; f1 and flips (steps + 1,), share of pixels that change
    class; update (steps,) ‖Δh‖/‖h‖, images' mean; settled_pc1, settled_mask and settled_update, the step from
    which each stays put, or None.
    """
    steps = settings["steps"]
    task, run = run_of(settings)
    model, ended = trained(task, run)
    batch = make_batch(task, settings["images"], seed_of_test(settings["seed"]), "test")
    runs = {clock: follow(model, batch.x, steps, how) for clock, how in CLOCKS.items()}
    regions = torch.stack([batch.labels > 0, batch.labels == 0]).flatten(1, 2)
    plane = fit_plane(_side_by_side(runs["running"][0]), 1, what="logits", regions=regions)
    end = plane.points[:, -1, 0]
    sign = 1.0 if end[0] >= end[1] else -1.0
    found = {"explained": rounded(plane.explained[0])} | ended
    for clock, (logits, update) in runs.items():
        shape, background = sign * plane.place(_side_by_side(logits))[..., 0]
        pixels = batch.labels.numel()
        changed = (label_flips(mask_of(logits)).sum(1) / pixels).cpu().numpy()
        found[clock] = {
            "pc1_shape": rounded_all(shape),
            "pc1_background": rounded_all(background),
            "flips": rounded_all(changed),
            "update": rounded_all(update.mean(1)),
            "f1": rounded_all(pooled_f1(logits, batch.labels)),
            "settled_pc1": arrival(shape - background),
            "settled_mask": from_when(changed[1:] <= TOLERANCE),
            "settled_update": from_when(update.mean(1).cpu().numpy() <= TOLERANCE),
        }
    return found


def follow(model: Model, x: Tensor, steps: int, switches: Switches) -> tuple[Tensor, Tensor]:
    """Logits (steps + 1, B, K, H, W) and ‖Δh‖/‖h‖ (steps, B) of images x; one pass's answer at every step."""
    if not model.traits.takes_steps:
        with torch.no_grad():
            answer = model(x.to(model.device))
        return answer.expand(steps + 1, *answer.shape), torch.zeros(steps, len(x))
    run = rollout(model, x, steps, switches=switches)
    return run.logits, run.relative_update


def _side_by_side(logits: Tensor) -> Tensor:
    """(T+1, B, K, H, W) → (T+1, K, B·H, W): all images as one, so that one plane serves them all."""
    return logits.transpose(1, 2).flatten(2, 3)


def panels(rows: Sequence[Row], others: Others = NONE) -> list[Panel]:
    """PC1 of shape and background over t, and the relative update, with the clock running and frozen."""
    steps = tuple(range(rows[0].settings["steps"] + 1))
    found = []
    for clock in CLOCKS:
        for each in TAUS:
            lines = []
            for model, tau in (("feedback", each), ("loop cut", each), ("feedforward", None)):
                for region in ("shape", "background"):
                    at = [mean(rows, _at(clock, f"pc1_{region}", t), model=model, tau=tau) for t in steps]
                    lines.append(Series(f"{model}, {region}", model, steps, tuple(at)))
            title = f"PC1 of the logits, τ = {each:g}, clock {clock}"
            found.append(Panel(title, "t", "PC1, logits", tuple(lines)))
    for tau in TAUS:
        lines = []
        for model in ("feedback", "loop cut"):
            for clock in CLOCKS:
                sizes = (over_seeds(rows, _at(clock, "update", t), model=model, tau=tau) for t in steps[:-1])
                y = tuple(geometric_mean(values, FLOOR) for values in sizes)
                lines.append(Series(f"{model}, clock {clock}", model, steps[1:], y))
        found.append(Panel(f"Relative update, τ = {tau:g}", "t", "‖Δh‖/‖h‖", tuple(lines), logs="y"))
    return found


def _name(model: str, tau: float | None) -> str:
    return model if tau is None else f"{model}, τ = {tau:g}"


def _at(clock: str, key: str, t: int):
    return lambda row: row.result[clock][key][t]


def conclude(rows: Sequence[Row], others: Others = NONE) -> Finding:
    """Does the feedback model's PC1 settle at the paper's τ, and is that F's doing or the clock's?

    A run has settled if it stays put over the second half of its steps, a model if most of its seeds have.
    Not reproduced: the feedback model's PC1 does not settle with the clock running. Reproduced: it does, and
    with the clock frozen too, so F brings it to rest. Explained by the decay: only the running clock makes
    it settle, and the loop-cut model's as well. Partly: only the running clock does, and only with the loop.
    """
    steps, k = rows[0].settings["steps"], len({row.settings["seed"] for row in rows})

    def settled(clock: str, key: str, model: str = "feedback", tau: float = PAPER_TAU) -> int:
        found = over_seeds(rows, lambda row: row.result[clock][key], model=model, tau=tau)
        return sum(step is not None and step <= steps / 2 for step in found)

    def told(model: str, tau: float) -> str:
        same = {"model": model, "tau": tau}
        at = mean(rows, lambda row: _step(row, steps), **same).mean
        f1, held = (words(mean(rows, _at(clock, "f1", steps), **same)) for clock in CLOCKS)
        count = settled("running", "settled_pc1", **same)
        pc1, update, mask = (settled("frozen", f"settled_{key}", **same) for key in ("pc1", "update", "mask"))
        return (
            f"{_name(model, tau)}: PC1 settles in {count}, by step {at:.2g}, "
            f"clock frozen, PC1 in {pc1}, ‖Δh‖/‖h‖ in {update}, mask in {mask}, F1 {f1}, frozen {held}"
        )

    running, frozen = settled("running", "settled_pc1"), settled("frozen", "settled_pc1")
    cut, mask = settled("running", "settled_pc1", "loop cut"), settled("frozen", "settled_mask")
    explained = mean(rows, "explained", model="feedback", tau=PAPER_TAU).mean
    because = (
        f"At the paper's τ = {PAPER_TAU:g} the state's PC1 settles in {running} of {k} seeds. With the clock "
        f"held it settles in {frozen}, and with the loop cut and the clock running in {cut}. The mask alone "
        f"stays put with the clock held in {mask}."
    )
    points = [
        f"PC1 holds {explained:.1%} of the variance.",
        Listed(f"Of {k} seeds, with F1 at t = {steps}", tuple(told(*each) for each in MODELS[:-1])),
        "The feedforward model is a single pass, static by construction.",
    ]
    if running <= MOST * k:
        return Finding("not reproduced", because, "The state does not come to rest.", points=points)
    if frozen > MOST * k:
        brief = "The state comes to rest, with its clock held too."
        return Finding("reproduced", because, brief, points=points)
    if cut > MOST * k:
        brief = "The state stops since its clock runs out, and it does so without a loop as well."
        return Finding("explained by", because, brief, "the decay", points)
    brief = "The state stops only while its clock runs, and only with the loop."
    return Finding("partly", because, brief, points=points)


def _step(row: Row, never: int) -> int:
    step = row.result["running"]["settled_pc1"]
    return never if step is None else step


EXPERIMENT = Experiment(
    name="convergence",
    title="Coming to rest",
    claim="The internal state converges rapidly in the feedback model as shown by PCA analysis, while the "
    "feedforward model remains static.",
    source="section 6, Figure 5",
    cells=cells,
    measure=measure,
    subjects=subjects,
    panels=panels,
    conclude=conclude,
)
