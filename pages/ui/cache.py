"""What is computed once and shared by all visitors, read-only; the only user of st.cache_*."""

from __future__ import annotations

import gc
import threading
import time
from dataclasses import dataclass

import numpy as np
import streamlit as st
import torch
from torch import Tensor

from fbseg_core import Card, Projection, Trajectory, load, pca, rollout
from fbseg_core.analysis.pca import What
from fbseg_core.checkpoint import read_card, shipped
from fbseg_core.config import Switches, TaskConfig
from fbseg_core.dynamics import Model
from fbseg_core.metrics import chance, f1_over_time
from fbseg_core.tasks import Batch, task_of

FREEZES = 4  # passes, five seconds apart


@dataclass(frozen=True)
class Run:
    """One image through both models. f1 (T+1,) of the first; feedforward is the run of the one beside it."""

    key: str
    task: TaskConfig
    batch: Batch
    trajectory: Trajectory
    feedforward: Trajectory
    f1: np.ndarray
    feedforward_f1: float
    chance: float

    @property
    def flips(self) -> Tensor:
        """Pixels whose label changed in step t, (T+1,); 0 at the start."""
        masks = self.trajectory.logits.argmax(2)
        changed = (masks[1:] != masks[:-1]).flatten(1).sum(1)
        return torch.cat([changed.new_zeros(1), changed])


@st.cache_resource
def warm_up() -> None:
    """Once a process: import what the first page can do without, then spare later collections the bulk.

    The script runner collects garbage after every run, holding up all visitors for as long as there are
    objects to visit; frozen ones are passed over.
    """

    def work() -> None:
        import plotly.io  # noqa: F401
        import sklearn.decomposition  # noqa: F401

        for _ in range(FREEZES):  # the first visitors' runs import and cache more: take it in as it comes
            gc.collect()
            gc.freeze()
            time.sleep(5)

    torch.set_num_threads(1)  # at 64 px a second thread gains little, and takes it from another visitor
    threading.Thread(target=work, daemon=True).start()


@st.cache_resource(max_entries=16, show_spinner=False)
def model(name: str) -> tuple[Model, Card]:
    """A checkpoint that ships. Raises CheckpointError."""
    return load(name)


@st.cache_data(show_spinner=False)
def cards() -> dict[str, Card]:
    """The cards of all checkpoints that ship, by name."""
    return {name: read_card(name) for name in shipped()}


def run(
    feedback: str,
    feedforward: str,
    task: TaskConfig,
    seed: int,
    noise_seed: int,
    steps: int,
    switches: Switches,
) -> Run:
    """Both models on one image, kept for the next visitor who asks for the same."""
    key = f"{task.model_dump_json()} {switches.model_dump_json()}"
    return _run(feedback, feedforward, seed, noise_seed, steps, key, task, switches)


@st.cache_resource(max_entries=8, show_spinner=False)  # up to 42 MB each, at T = 60
def _run(feedback, feedforward, seed, noise_seed, steps, key, _task, _switches) -> Run:
    kind = task_of(_task)
    batch = kind.observe(_task, kind.content(_task, 1, seed), kind.noise(_task, 1, noise_seed))
    trajectory = rollout(model(feedback)[0], batch.x, steps, switches=_switches)
    other = model(feedforward)[0]
    plain = rollout(other, batch.x, 1 if other.config.kind == "feedforward" else steps)
    return Run(
        key=f"{feedback} {feedforward} {seed} {noise_seed} {steps} {key}",
        task=_task,
        batch=batch,
        trajectory=trajectory,
        feedforward=plain,
        f1=f1_over_time(trajectory.logits, batch.labels)[:, 0].numpy(),
        feedforward_f1=float(f1_over_time(plain.logits, batch.labels)[-1, 0]),
        chance=chance(batch.labels, trajectory.logits.shape[2]),
    )


def plane(run: Run, what: What) -> Projection:
    """The plane fitted to a run's whole trajectory, two axes."""
    return _plane(run.key, what, run)


@st.cache_resource(max_entries=32, show_spinner=False)
def _plane(key: str, what: What, _run: Run) -> Projection:
    return pca(_run.trajectory, 2, what=what)
