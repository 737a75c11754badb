"""A handout of the course for print: the questions with room for a guess, or with what was worked out."""

from __future__ import annotations

from collections.abc import Callable
from html import escape

from PIL.Image import Image

from pages.learn import point
from pages.learn.course import COURSE, Lesson
from pages.learn.outcome import Outcome

STYLE = (
    "@page { size: A4; margin: 10mm } body { font: 9.5pt/1.3 sans-serif; color: #000; margin: 0 }"
    " h1 { font-size: 14pt; margin: 0 } .answers { font-size: 8.5pt; line-height: 1.25 }"
    " ol { padding-left: 6mm; columns: 2; column-gap: 8mm } li { break-inside: avoid; margin-bottom: 2.5mm }"
    " img { width: 30mm; image-rendering: pixelated } @media screen { body { margin: 5mm } }"
    " .guess { border-bottom: 0.3mm solid #888; display: inline-block; width: 30mm } p { margin: 0.5mm 0 }"
)


def handout(picture: Callable[[Lesson], Image], answer: Callable[[Lesson], Outcome] | None = None) -> str:
    """An HTML page. picture: draws what is pointed at; answer: works out a lesson, without it there is a line
    for each guess."""
    items = "".join(f"<li>{_item(lesson, picture, answer and answer(lesson))}</li>" for lesson in COURSE)
    title = "Guess, then see it worked out" + (": answers" if answer else "")
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title><style>{STYLE}</style>'
        f"<body class='{'answers' if answer else 'questions'}'><h1>{title}</h1><ol>{items}</ol></body></html>"
    )


def _item(lesson: Lesson, picture: Callable[[Lesson], Image], found: Outcome | None) -> str:
    asked = [lesson.question, *([" / ".join(lesson.options)] if lesson.options else [])]
    text = f"<b>{escape(lesson.title)}</b> " + "".join(f"<p>{escape(one)}</p>" for one in asked)
    if lesson.side:
        text += f'<img src="{point.url(picture(lesson))}" alt="The picture; the white disc is the dot">'
        if found is None:
            return f"{text}<p>My guess: a cross in the picture</p>"
    if found is None:
        unit = "" if lesson.options else escape(lesson.unit)
        return f'{text}<p>My guess: <span class="guess"></span> {unit}</p>'
    right = found.truth if lesson.options else lesson.said(found.truth)
    return f"{text}<p><b>{escape(right)}</b>. {escape(f'{found.given} {found.told}'.strip())}</p>"
