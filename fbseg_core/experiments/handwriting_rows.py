"""What the rows of `handwriting` say: F1 of four models over the number of examples, feedback less each other
one, and what the loop adds where part of a digit is hidden."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fbseg_core.analysis.equivalence import Compared, equivalent, family, not_better
from fbseg_core.analysis.paired import Difference, paired_difference
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
from fbseg_core.experiments.report import Value, answered, gap, mean, over_seeds, words
from fbseg_core.experiments.thresholds import MARGIN

FEEDBACK, CUT, SAME, WIDE = "feedback", "loop cut", "equal weights", "equal view"
# without a loop, as they are told: of feedback's own width and depth the first two, and one of its view
RIVALS = {CUT: "its loop cut", SAME: "one pass", WIDE: "a deeper network"}
MODELS: dict[str, tuple[str, Kind]] = {  # as they are told, and how they are drawn
    FEEDBACK: ("feedback", "feedback"),
    CUT: ("loop cut", "loop cut"),
    SAME: ("feedforward, equal weights", "feedforward"),
    WIDE: ("feedforward, deeper: equal view", "other"),
}
VISIBLE, WHOLE = "visible", "whole"  # what is to be marked: the ink that is seen, or the whole digit
TARGETS = {VISIBLE: "visible ink", WHOLE: "whole digit"}
PARTS = {"hidden": "hidden ink", "seen": "ink that is seen"}  # of the whole digits
# Answers that recognise nothing. The last is told where the digits are: to get past it, tell them apart.
LEVELS: dict[str, tuple[str, Kind]] = {
    "trivial": ("mark no digit", "trivial"),
    "chance": ("chance", "chance"),
    "one_name": ("every digit found, all given one name", "other"),
}
Key = tuple[str, int]  # a rival and a number of examples


def numbers(rows: Sequence[Row]) -> list[int]:
    """The numbers of examples, fewest first."""
    return sorted({row.settings["examples"] for row in rows})


def at(n: int, target: str = VISIBLE) -> dict[str, int | str]:
    """The settings of the cells with n examples and that target."""
    return {"examples": n, "target": target}


def compared(rows: Sequence[Row], value: Value = "f1") -> dict[Key, Compared]:
    """F1 of feedback less that of each rival with each number of examples, visible ink: one family."""
    gaps = {
        (name, n): gap(rows, value, {"model": FEEDBACK}, {"model": name}, **at(n))
        for n in numbers(rows)
        for name in RIVALS
    }
    return family(gaps, MARGIN)


def learned(rows: Sequence[Row], n: int) -> bool:
    """Whether any model is known, by a one-sided test at 5 %, to score above every level with n examples.

    Else all being alike would only say that none of them has learned to tell digits.
    """
    return any(
        all(
            gap(rows, "f1", {"model": name}, {"model": name}, ("levels", "f1", level), **at(n)).inner[0] > 0
            for level in LEVELS
        )
        for name in MODELS
    )


def ahead(one: Compared) -> bool:
    """Whether feedback is better, told by a test, and by more than the margin lets pass."""
    return one.different and one.difference.mean > 0 and not equivalent(one.difference, one.margin)


def word_of(found: Mapping[Key, Compared]) -> Word:
    """What comparisons with numbers of examples at which something was learned come to.

    Reproduced: feedback is ahead of every rival with every number. Explained by: of those of its own width
    and depth with every number, and of the one of equal view by the margin at most with any. Not reproduced:
    it is ahead of none, and with every number some rival is at most the margin behind it. Undecided: nothing
    is told ahead, nor that; or nothing was learned at all. Partly: the rest.
    """
    if not found:
        return "undecided"
    there = {n for _, n in found}
    lead = {key: ahead(one) for key, one in found.items()}
    level = {key: not_better(one.difference, one.margin) for key, one in found.items()}
    if all(lead.values()):
        return "reproduced"
    if all(lead[name, n] for name in (CUT, SAME) for n in there) and all(level[WIDE, n] for n in there):
        return "explained by"
    if any(lead.values()):
        return "partly"
    known = all(any(level[name, n] for name in RIVALS) for n in there)
    return "not reproduced" if known else "undecided"


def hidden(rows: Sequence[Row]) -> dict[tuple[str, str], Compared]:
    """Feedback against each rival where part of a digit is hidden, with the most examples: one family.

    "whole": F1 of feedback less the rival's, the whole digit to be marked. "more": that less the same with
    visible ink to be marked, on the same images. "found": the share of hidden ink that feedback names right,
    less the rival's.
    """
    n = numbers(rows)[-1]
    gaps: dict[tuple[str, str], Difference] = {}
    for name in RIVALS:
        models = {"model": FEEDBACK}, {"model": name}
        gaps["whole", name] = gap(rows, "f1", *models, **at(n, WHOLE))
        leads = [_leads(rows, name, n, target) for target in (WHOLE, VISIBLE)]
        gaps["more", name] = paired_difference(*leads)
        gaps["found", name] = gap(rows, "hidden", *models, **at(n, WHOLE))
    return family(gaps, MARGIN)


def _leads(rows: Sequence[Row], name: str, n: int, target: str) -> list[float]:
    """F1 of feedback less the rival's, seed by seed."""
    scores = (over_seeds(rows, "f1", model=each, **at(n, target)) for each in (FEEDBACK, name))
    return [a - b for a, b in zip(*scores)]


def conclude(rows: Sequence[Row], others: Others = NONE) -> Finding:
    """Where feedback is ahead, by `word_of`; and whether it is more so where a part of the digit is hidden.

    Numbers of examples with which no model has learned to tell digits enter no verdict.
    """
    found, apart = compared(rows), hidden(rows)
    *_, last = numbers(rows)
    known = [n for n in numbers(rows) if learned(rows, n)]
    judged = {key: one for key, one in found.items() if key[1] in known}
    word = word_of(judged)
    none = [str(n) for n in numbers(rows) if n not in known]
    untold = f"; with n = {' or '.join(none)} none is known to tell digits" if none else ""
    because = (
        f"Feedback less its loop cut, n = {last}: {answered(found[CUT, last])}{untold}. "
        f"Less one pass of equal weights {answered(found[SAME, last])}; less a deeper network "
        f"{answered(found[WIDE, last])}. With the whole digit to mark its lead over the loop cut changes by "
        f"{answered(apart['more', CUT])}."
    )
    cause = "a deeper network" * (word == "explained by")
    return Finding(word, because, _brief(judged, word), cause, _points(rows, found, apart))


def _brief(judged: Mapping[Key, Compared], word: Word) -> str:
    """The verdict in a line of words."""
    there = sorted({n for _, n in judged})
    if not there:
        return "No model is known to have learned to tell digits, so none is judged."
    if word == "reproduced":
        return f"Feedback is ahead of every model without a loop with n = {_listed(there)}."
    if word == "explained by":
        return (
            "Feedback is ahead of its own network without a loop; a deeper one that sees as far does as well."
        )
    if word == "undecided":
        return "The runs do not tell whether feedback is ahead."
    lead = _where({key: ahead(one) for key, one in judged.items()})
    lag = _where({key: one.different and one.difference.mean < 0 for key, one in judged.items()})
    if word == "partly":
        return f"Feedback is ahead of {lead}" + (f"; behind {lag}." if lag else ", of no other.")
    if lag:
        return f"Feedback is ahead of none, and behind {lag}."
    return f"With any number of examples a model without a loop is at most {MARGIN:g} F1 behind feedback."


def _where(true: Mapping[Key, bool]) -> str:
    """The rivals of which something is true, and with which numbers of examples."""
    found = {name: [str(n) for (each, n), is_so in true.items() if each == name and is_so] for name in RIVALS}
    return ", ".join(f"{RIVALS[name]} (n = {', '.join(there)})" for name, there in found.items() if there)


def _listed(values: Sequence[int]) -> str:
    *first, last = map(str, values)
    return f"{', '.join(first)} and {last}" if first else last


def _points(
    rows: Sequence[Row], found: Mapping[Key, Compared], apart: Mapping[tuple[str, str], Compared]
) -> list[Point]:
    told: list[Point] = []
    for n in numbers(rows):
        scores = [
            f"{name} {words(mean(rows, 'f1', model=key, **at(n)))}" for key, (name, _) in MODELS.items()
        ]
        scores += [f"{name} {words(level(rows, key, 'f1', at(n)))}" for key, (name, _) in LEVELS.items()]
        less = tuple(f"{title} {answered(found[name, n])}" for name, title in RIVALS.items())
        updates = over_seeds(rows, "updates", model=FEEDBACK, **at(n))[0]
        told.append(Listed(f"n = {n}, {updates} updates, F1", tuple(scores)))
        told.append(Listed(f"n = {n}, F1 of feedback less each", less))
    by_class = compared(rows, "f1_classes")
    differs = [
        f"{RIVALS[name]}, n = {n}, {answered(one)}"
        for (name, n), one in by_class.items()
        if one.answer != found[name, n].answer
    ]
    told.append(
        "By the mean over the ten digits' own F1 "
        + (f"the answer is another for {'; '.join(differs)}." if differs else "all answers are the same.")
    )
    n = numbers(rows)[-1]
    for what, lead in (
        ("whole", f"Whole digit to mark, n = {n}, F1 of feedback less each"),
        ("more", "That less the same with visible ink"),
        ("found", "Share of hidden ink named right, feedback less each"),
    ):
        less = tuple(f"{title} {answered(apart[what, name])}" for name, title in RIVALS.items())
        told.append(Listed(lead, less))
    fitted = tuple(
        f"{name} {words(mean(rows, 'fitted', model=key, **at(n)))}" for key, (name, _) in MODELS.items()
    )
    return [
        *told,
        Listed(f"F1 on the n = {n} images that they learned from, with new noise", fitted),
        "What is missing there is owed to the few updates; longer training may give other numbers.",
    ]


Scored = tuple[str, str, Mapping[str, int | str]]  # x, the score there, and the settings of its cells


def panels(rows: Sequence[Row], others: Others = NONE) -> list[Panel]:
    """F1 over the number of examples, pooled and by class; F1 by what is to be marked; hidden ink found."""
    n = numbers(rows)[-1]

    def curves(score: str) -> list[Scored]:
        return [(str(each), score, at(each)) for each in numbers(rows)]

    targets = [(name, "f1", at(n, target)) for target, name in TARGETS.items()]
    parts = [(name, part, at(n, WHOLE)) for part, name in PARTS.items()]
    drawn = (
        ("visible ink", "training examples", "pooled F1", curves("f1")),
        ("visible ink, mean over the ten digits", "training examples", "mean F1", curves("f1_classes")),
        (f"what is to be marked, n = {n}", "", "pooled F1", targets),
        (f"whole digit to mark, n = {n}", "", "share of its ink named right", parts),
    )
    return [Panel(title, x, y, _lines(rows, points)) for title, x, y, points in drawn]


def _lines(rows: Sequence[Row], points: Sequence[Scored]) -> tuple[Series, ...]:
    """The models, and the levels on the same images."""
    x = tuple(name for name, _, _ in points)
    models = [
        Series(name, kind, x, tuple(mean(rows, score, model=key, **of) for _, score, of in points))
        for key, (name, kind) in MODELS.items()
    ]
    levels = [
        Series(name, kind, x, tuple(level(rows, key, score, of) for _, score, of in points))
        for key, (name, kind) in LEVELS.items()
        if not (key == "one_name" and points[0][1] in PARTS)  # it is chance there
    ]
    return (*models, *levels)


def level(rows: Sequence[Row], key: str, score: str, of: Mapping[str, int | str]) -> Difference:
    """What one of LEVELS scores on the test images of those cells; they are the same for all models."""
    return mean(rows, ("levels", score, key), model=FEEDBACK, **of)


def table(rows: Sequence[Row]) -> list[dict[str, str]]:
    """One line a model, and one a level: what it takes, and what it scores with how many examples."""
    along, lines = numbers(rows), []
    columns = [(f"F1, n = {n}", "f1", at(n)) for n in along]
    columns.append((f"F1, whole digit, n = {along[-1]}", "f1", at(along[-1], WHOLE)))
    columns.append(("hidden ink named right", "hidden", at(along[-1], WHOLE)))
    for key, (name, _) in MODELS.items():
        cells = over_seeds(rows, lambda row: row, model=key, **at(along[-1]))
        seconds, row = [cell.seconds for cell in cells], cells[0]
        line = {
            "model": name,
            "weights": f"{row.result['weights']:,}",
            "multiply-adds an image, millions": f"{row.result['macs']:.1f}",
            "receptive field, px": str(row.result["field"]),
            "training and test, processor s": f"{sum(seconds) / len(seconds):.0f}",
        }
        lines.append(
            line | {title: words(mean(rows, value, model=key, **of)) for title, value, of in columns}
        )
    blank = dict.fromkeys(lines[0], "–")
    for key, (name, _) in LEVELS.items():
        scores = {title: words(level(rows, key, value, of)) for title, value, of in columns}
        lines.append(blank | {"model": name} | scores)
    return lines
