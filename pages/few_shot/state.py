"""What the Few-shot lab shows, as one frozen value, and the job that it asks for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, ClassVar, Literal, NamedTuple, Self

import torch
from pydantic import Field, model_validator

from fbseg_core import Card, ConfigError
from fbseg_core.config import FewShotConfig, TaskConfig
from fbseg_core.experiments.subject import Subject, of_run
from fbseg_core.models.registry import traits_of
from fbseg_core.rollout.interventions import unpack_mask
from fbseg_core.settings import setting, settings_of
from fbseg_core.tasks import Content, parse_task, task_of
from fbseg_core.training.examples import training_examples
from fbseg_core.training.fewshot import TrainingRun, few_shot, replace_example, seeds, with_changes
from pages.few_shot.drawn_labels import unpack_labels
from pages.jobs import Spec
from pages.ui import ranges
from pages.ui.images import VOID
from pages.ui.link import LARGEST_SEED, Linked

REDRAWS = 1000  # of one example, before they start over
FIRST_REDRAW = 1_000_000  # seeds of redrawn examples, apart from those of all validation and test images
LONGEST_OWN = 6000  # characters of all examples of one's own: what the link still takes
JOB = r"^[0-9a-f]{0,32}$"
HELP = {name: item.help for name, item in settings_of(FewShotConfig).items()}

_OWN = re.compile(
    r"([0-9]{1,2})\.(?:r\.([0-9]{1,3})|d\.([A-Za-z0-9_-]{1,3000})(?:\.([0-9]{1,3})-([0-9]{1,3}))?"
    r"|u\.([0-9a-f]{32})|m\.([A-Za-z0-9_-]{1,3000}))"
)


class Own(NamedTuple):
    """An example in place of the one drawn by the seed: of redraw, drawing and upload one may be given.

    redraw: which one, from 1. drawing: as `pack_mask` writes it, with the cue where the task has one.
    upload: the digest of the file. labels: as `pack_labels` writes them, drawn over the image that is there.
    """

    redraw: int | None = None
    drawing: str | None = None
    cue: tuple[int, int] | None = None
    upload: str | None = None
    labels: str | None = None


class FewShotState(Linked, FewShotConfig):
    """The whole state of the screen. None and 0 stand for 'as the protocol has it'.

    own: "row.r.k", "row.d.drawing" or "row.u.digest", and "row.m.labels" beside any. job, ablations,
    repeats: ids of the jobs on show; of ablation steps, and of the same over several seeds.
    protocol: named by every link; one without it is from when the screen opened on "matched".
    """

    renamed: ClassVar[Mapping[str, str]] = {"rungs": "ablations", "luck": "repeats"}

    task: str = Field("shapes", max_length=40)
    protocol: Literal["paper", "matched"] = setting("paper", HELP["protocol"])
    sigma: float | None = setting(
        None,
        "How noisy the training and test images are. Raise it until both models fail, and see which fails "
        "first.",
        **ranges.SIGMA,
    )
    # narrower than the core's, so that a slider can be set by hand and Explore can show the result
    steps: int = setting(5, HELP["steps"], unit="steps", lo=1, hi=30)
    tau: float | None = setting(
        None, HELP["tau"], **ranges.TAU)  # fmt: skip
    updates: int = setting(0, HELP["updates"], lo=0, hi=2000, step=10)
    seed: int = setting(
        0,
        "Draws other weights, examples, noise and order for both models. Try several before you "
        "believe a gap.",
        lo=0,
        hi=LARGEST_SEED,
    )
    seconds: int = setting(
        0,
        "Ends the run after so long and keeps what was learned. 0 lets it take the longest allowed.",
        unit="s",
        lo=0,
        hi=600,
        step=5,
    )
    k: int = setting(
        5,
        "How often both models are trained anew. The more, the narrower the interval of their difference, "
        "and the longer it takes.",
        unit="seeds",
        lo=2,
        hi=12,
    )
    own: tuple[Annotated[str, Field(max_length=3020)], ...] = Field((), max_length=32)
    job: str = Field("", pattern=JOB)
    ablations: tuple[Annotated[str, Field(pattern=JOB)], ...] = Field((), max_length=4)
    repeats: str = Field("", pattern=JOB)

    @model_validator(mode="after")
    def _own_is_readable(self) -> Self:
        if not all(_OWN.fullmatch(text) for text in self.own):
            raise ValueError("own: an example of one's own cannot be read")
        if sum(map(len, self.own)) > LONGEST_OWN:
            raise ValueError("own: these drawings are too many for one link; take one back")
        return self

    def link(self, lessons: Mapping[str, Self]) -> dict[str, str]:
        found = super().link(lessons)
        return found | {"protocol": self.protocol} if found else {}

    @classmethod
    def from_link(cls, parameters: Mapping[str, str], lessons: Mapping[str, Self]) -> Self:
        old = parameters.keys() - {"v"} and "protocol" not in parameters
        return super().from_link({**parameters, "protocol": "matched"} if old else parameters, lessons)

    def setup(self) -> FewShotConfig:
        """What the core is asked for."""
        return FewShotConfig(**{key: getattr(self, key) for key in FewShotConfig.model_fields})

    def own_by_row(self) -> dict[int, Own]:
        """The examples of one's own, of those that are read; the last word on a row holds."""
        found = {}
        for text in self.own:
            row, redraw, drawing, y, x, upload, labels = _OWN.fullmatch(text).groups()
            cue = None if y is None else (int(y), int(x))
            before = found.get(int(row), Own())
            image = Own(redraw and int(redraw), drawing, cue, upload, before.labels)
            found[int(row)] = before._replace(labels=labels) if labels else image
        return {row: own for row, own in sorted(found.items()) if row < self.examples}

    def with_own(self, row: int, text: str) -> FewShotState:
        """With "r.k", "d.drawing", "u.digest" or, for the seed's, "" in a row; or with "m.labels" drawn over
        what is there. Raises ConfigError."""
        if not 0 <= row < self.examples:
            raise ConfigError(f"There is no example {row + 1}.")
        over = f"{row}.m." if text.startswith("m.") else f"{row}."
        kept = tuple(item for item in self.own if not item.startswith(over))
        return self.replace(own=(*kept, f"{row}.{text}") if text else kept)


def runs_of(view: FewShotState) -> tuple[TaskConfig, TrainingRun, TrainingRun]:
    """The task, the feedback run and the feedforward run. Raises ConfigError for an unknown task."""
    task = parse_task({"name": view.task})
    return few_shot(task if view.sigma is None else task.replace(sigma=view.sigma), view.setup())


def subjects(view: FewShotState, cards: Mapping[str, Card]) -> Iterator[Subject]:
    """The two models that a view trains."""
    task, *runs = runs_of(view)
    yield from (of_run(task, run) for run in runs)


def examples(view: FewShotState, uploads: Mapping[str, Content]) -> Content:
    """The clean examples of the view. Raises ConfigError, also for an upload that is not there."""
    task, run, _ = runs_of(view)
    found = training_examples(task, run.train)
    for row, own in view.own_by_row().items():
        one = _own_content(view, task, row, own, uploads)
        one = found[row : row + 1] if one is None else one
        if own.labels is not None:
            one = _relabelled(task, one, own.labels)
        found = replace_example(found, row, one)
    return found


def fits(task: TaskConfig, content: Content) -> bool:
    """Whether an example is of a task: its channels, its size, its classes."""
    kind = task_of(task)
    known = (content.labels < len(kind.class_names(task))) | (content.labels == VOID)
    return content.clean.shape[1:] == (len(kind.channel_names(task)), *task.size) and bool(known.all())


def can_draw(task: TaskConfig) -> bool:
    """Whether an example can be drawn: a pen says whether a pixel is marked, and no more."""
    kind = task_of(task)
    return kind.drawable and len(kind.class_names(task)) == 2


def can_label(task: TaskConfig) -> bool:
    """Whether the labels of an example can be drawn over its image, which stays as it is."""
    return not can_draw(task) and not task_of(task).has_cue(task)


def check(view: FewShotState) -> None:
    """Raise ConfigError for a state that cannot be shown. Of uploads only the page knows."""
    drawn = [text for text in view.own if ".u." not in text]
    examples(view.replace(own=tuple(drawn)), {})


def _own_content(
    view: FewShotState, task: TaskConfig, row: int, own: Own, uploads: Mapping[str, Content]
) -> Content | None:
    """The example that stands in a row; None where it is the seed's."""
    kind = task_of(task)
    if own.upload:
        if own.upload not in uploads:
            raise ConfigError(f"The upload in place of example {row + 1} is no longer kept; bring it again.")
        if not fits(task, uploads[own.upload]):
            raise ConfigError(f"The upload in place of example {row + 1} is of another task; bring it again.")
        return uploads[own.upload]
    if own.redraw is not None:
        seed = FIRST_REDRAW + (32 * view.seed + row) * REDRAWS + own.redraw
        return kind.content(task, 1, seed)
    if own.drawing is None:
        return None
    if not can_draw(task):
        raise ConfigError(f"Example {row + 1}: a mask of the task {task.name!r} cannot be drawn.")
    content = kind.drawn(task, torch.from_numpy(unpack_mask(own.drawing, task.size)), own.cue)
    if not content.labels.any():
        raise ConfigError(f"Example {row + 1} has nothing to find: draw a shape, and put the cue on it.")
    return content


def _relabelled(task: TaskConfig, one: Content, text: str) -> Content:
    """An example with labels that were drawn. Raises ConfigError."""
    if not can_label(task):
        raise ConfigError(f"Labels of the task {task.name!r} are not drawn over its images.")
    return Content(one.clean, torch.from_numpy(unpack_labels(task, text))[None])


def job_of(view: FewShotState, uploads: Mapping[str, Content]) -> Spec:
    """Both models side by side."""
    task, *runs = runs_of(view)
    return _job(view, task, runs, uploads)


def ablation_of(base: Spec, changes: tuple[str, ...]) -> Spec:
    """The feedforward run of a job with `changes` made, on the same examples and seed."""
    baseline = next(run for run in base.runs if not traits_of(run.model).takes_steps)
    return Spec(base.task, (with_changes(baseline, *changes),), base.examples, base.seconds)


def repeats_of(base: Spec, k: int) -> Spec:
    """A job over k seeds: the feedback runs, then the feedforward runs."""
    return Spec(base.task, tuple(one for run in base.runs for one in seeds(run, k)), base.examples)


def _job(
    view: FewShotState, task: TaskConfig, runs: list[TrainingRun], uploads: Mapping[str, Content]
) -> Spec:
    # Examples that the seed draws are left to the runs, as on the command line; so many seeds draw many.
    given = examples(view, uploads) if view.own_by_row() else None
    return Spec(task, tuple(runs), given, float(view.seconds))
