"""What the rows of `grouping` say: whether the loop helps, and which models without one do as well."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fbseg_core.analysis.equivalence import Compared, family, not_better
from fbseg_core.experiments.records import (
    NONE,
    Finding,
    Kind,
    Listed,
    Others,
    Panel,
    Point,
    Row,
    Series,
    Word,
)
from fbseg_core.experiments.report import above_chance, answered, gap, mean, over_seeds, words
from fbseg_core.experiments.thresholds import MARGIN

FEEDBACK, CUT, UNROLLED = "feedback", "loop cut", "unrolled"
WEIGHTS, WORK = "equal weights", "equal multiply-adds"
WIDTHS = {  # of the depths 1 to 4: the nearest to the feedback model, as a test counts
    WEIGHTS: (8, 4, 2, 1),
    WORK: (21, 16, 13, 12),
}
PLAIN = {
    f"depth {i + 1}, {what}": (i + 1, width) for what, all_ in WIDTHS.items() for i, width in enumerate(all_)
}
SMALL = tuple(name for name in PLAIN if name.endswith(WEIGHTS))
MODELS = (FEEDBACK, CUT, UNROLLED, *PLAIN)
RIVAL = f"depth 3, {WORK}"  # it sees as far as the loop, with equal work: the other of the main pair


@dataclass(frozen=True)
class Compare:
    """What the rows of the main budget say: of each other model, feedback less that one, as one family."""

    rows: Sequence[Row]
    names: tuple[str, ...]
    against: dict[str, Compared]

    @classmethod
    def of(cls, rows: Sequence[Row]) -> Compare:
        (updates,) = {row.settings["updates"] for row in rows if row.settings["model"] == CUT}
        kept = [row for row in rows if row.settings["updates"] == updates]
        there = {row.settings["model"] for row in kept}
        names = tuple(name for name in MODELS if name in there)
        gaps = {
            name: gap(kept, "f1", {"model": FEEDBACK}, {"model": name}) for name in names if name != FEEDBACK
        }
        return cls(kept, names, family(gaps, MARGIN))

    def ahead(self, name: str) -> bool:
        """Whether feedback does better than it, by more than the margin lets pass as level."""
        one = self.against[name]
        return one.different and one.difference.mean > 0 and not self.level(name)

    def level(self, name: str) -> bool:
        """Whether it is not worse than feedback by more than the margin (one-sided, 5 %)."""
        return self.against[name].difference.inner[1] < MARGIN

    def value(self, key: str, name: str) -> float:
        """A number that is the same for all seeds."""
        return over_seeds(self.rows, key, model=name)[0]

    def seconds(self, name: str) -> float:
        """Mean processor time of its cells."""
        return mean(self.rows, lambda row: row.seconds, model=name).mean


def table(rows: Sequence[Row]) -> list[dict[str, str]]:
    """One line a model: what it takes, what it scores, and how feedback compares."""
    found = Compare.of(rows)
    lines = [
        {
            "model": name,
            "weights": f"{found.value('weights', name):,}",
            "multiply-adds an image, millions": f"{found.value('macs', name):.2f}",
            "receptive field, px": str(found.value("field", name)),
            "training and test, processor s": f"{found.seconds(name):.0f}",
            "F1": words(mean(found.rows, "f1", model=name)),
            "feedback − it": answered(found.against[name]) if name in found.against else "–",
        }
        for name in found.names
    ]
    blank = dict.fromkeys(lines[0], "–")
    for name, key in (("mark every region", "trivial"), ("chance", "chance")):
        lines.append({**blank, "model": name, "F1": words(mean(found.rows, key, model=FEEDBACK))})
    return lines


def panels(rows: Sequence[Row], others: Others = NONE) -> list[Panel]:
    """F1 model by model; against the number of weights; and of the main pair against the updates."""
    found = Compare.of(rows)
    side = found.rows[0].settings["side"]
    levels = [
        Series(title, kind, found.names, (mean(found.rows, key, model=FEEDBACK),) * len(found.names))
        for title, kind, key in (("mark every region", "trivial", "trivial"), ("chance", "chance", "chance"))
    ]
    groups: list[tuple[str, Kind, tuple[str, ...]]] = [
        (FEEDBACK, "feedback", (FEEDBACK,)),
        (CUT, "loop cut", (CUT,)),
        (UNROLLED, "other", (UNROLLED,)),
        (f"feedforward, {WEIGHTS}", "feedforward", SMALL),
        (f"feedforward, {WORK}", "other", tuple(name for name in PLAIN if name not in SMALL)),
    ]
    groups = [(title, kind, tuple(n for n in names if n in found.names)) for title, kind, names in groups]

    def drawn(x) -> list[Series]:
        return [
            Series(title, kind, tuple(map(x, names)), tuple(mean(found.rows, "f1", model=n) for n in names))
            for title, kind, names in groups
            if names
        ]

    charts = [
        Panel(f"incremental grouping, {side} px", "", "pooled F1", (*drawn(str), *levels)),
        Panel(
            "F1 against weights",
            "weights",
            "pooled F1",
            tuple(drawn(lambda n: found.value("weights", n))),
            "x",
        ),
    ]
    budgets = tuple(sorted({row.settings["updates"] for row in rows}))
    if len(budgets) > 1:
        pair = tuple(
            Series(name, kind, budgets, tuple(mean(rows, "f1", model=name, updates=n) for n in budgets))
            for name, kind in ((FEEDBACK, "feedback"), (RIVAL, "feedforward"))
        )
        charts.append(Panel("exploratory: other numbers of updates", "updates", "pooled F1", pair))
    return charts


def conclude(rows: Sequence[Row], others: Others = NONE) -> Finding:
    """Does the loop help, and does anything without it do as well?

    Not reproduced where feedback is no better than the same network with its loop cut, by more than MARGIN;
    undecided where neither that nor the opposite is told. Explained by a wide view where a feedforward model
    of equal weights is level with it; partly where only a model of more weights is, or where some difference
    cannot be told; reproduced where it does better than all.
    """
    found = Compare.of(rows)
    cut = found.against[CUT]
    rivals = [name for name in found.names if name not in (FEEDBACK, CUT)]
    small = max((n for n in SMALL if n in found.names), key=lambda n: mean(found.rows, "f1", model=n).mean)
    level = [name for name in rivals if found.level(name)]
    beyond = above_chance(found.rows, "f1", "trivial", model=CUT)
    because = (
        f"Feedback less its loop cut: {answered(cut)}. Less the best feedforward model of {WEIGHTS} "
        f"({small.split(',')[0]}): {answered(found.against[small])}. "
        f"Level with feedback without a loop: {', '.join(level) or 'none of those tried'}."
    )
    points: list[Point] = [
        f"At {found.rows[0].settings['updates']} updates feedback scores "
        f"{words(mean(found.rows, 'f1', model=FEEDBACK))}, with its loop cut "
        f"{words(mean(found.rows, 'f1', model=CUT))}; that is {words(beyond, sign=True)} from marking every "
        f"region. The best feedforward model of {WEIGHTS} scores "
        f"{words(mean(found.rows, 'f1', model=small))}."
    ]
    points += [f"{_priced(found, name)}." for name in level]
    if UNROLLED in found.names:
        points.append(
            f"Unrolled, with weights for each step: feedback − it {answered(found.against[UNROLLED])}."
        )
    points += _budgets(rows, found)
    word, brief = _judged(found, cut, rivals, level)
    cause = "a wide view" * (word == "explained by")
    return Finding(word, because, brief, cause, points)


def _budgets(rows: Sequence[Row], found: Compare) -> list[Point]:
    """The main pair after other numbers of updates, if there are such: a trend that enters no verdict."""
    own = found.rows[0].settings["updates"]
    numbers = sorted({row.settings["updates"] for row in rows})
    if numbers == [own]:
        return []
    told = []
    for updates in numbers:
        loop, plain = (mean(rows, "f1", model=name, updates=updates) for name in (FEEDBACK, RIVAL))
        told.append(f"{updates} updates, feedback {loop.mean:.2f}, {RIVAL} {plain.mean:.2f}, {loop.k} seeds")
    return [
        Listed(
            f"{own} updates were chosen to keep the grid short, as enough to tell the models apart; other "
            "numbers were looked at afterwards, exploratory",
            tuple(told),
        )
    ]


def _judged(found: Compare, cut: Compared, rivals: Sequence[str], level: Sequence[str]) -> tuple[Word, str]:
    """The verdict, and what it says in words."""
    if not found.ahead(CUT):
        if not_better(cut.difference, MARGIN):
            return "not reproduced", f"The loop does not help here by more than {MARGIN:g} F1."
        return "undecided", "The runs do not tell whether the loop helps here."
    if any(name in SMALL for name in level):
        return "explained by", "A wider view does as well, without a loop and with as few weights."
    if all(map(found.ahead, rivals)):
        return "reproduced", "The loop helps, and nothing that was tried without one does as well."
    if level:
        return (
            "partly",
            f"The loop helps with few weights; as good with more, without one: {', '.join(level)}.",
        )
    return "partly", "The loop helps; whether another model does as well is not told apart."


def _priced(found: Compare, name: str) -> str:
    """A model's score with what it takes, as multiples of what feedback takes."""
    weights, macs = (found.value(key, name) / found.value(key, FEEDBACK) for key in ("weights", "macs"))
    return (
        f"{name[0].upper()}{name[1:]}: {words(mean(found.rows, 'f1', model=name))}, {weights:.1f} times the "
        f"weights and {macs:.1f} times the multiply-adds of feedback"
    )
