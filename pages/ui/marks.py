"""Marks of the cue and of interventions, the same in the player and in what is taken along."""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from fbseg_core.rollout.interventions import AnyIntervention, Flip, Freeze, Perturb, Swap

COLOUR = "#e6007e"
THUMB = "#0072b2"
CUE = (0.9, 5)  # the cue's radius, in pixels of the image, and the least in px of its enlarged picture


def name_of(item: AnyIntervention) -> str:
    """What an intervention is called at its mark."""
    if isinstance(item, Flip):
        if item.switch == "loop":
            return "close the loop" if item.on else "cut the loop"
        return f"{item.switch} {'on' if item.on else 'off'}"
    if isinstance(item, Freeze):
        return "freeze the clock" if item.on else "run the clock"
    if isinstance(item, Swap):
        return f"image {item.seed}"
    if isinstance(item, Perturb):
        return f"perturb by {item.size:g}"
    return "paint v" if item.target == "v" else "erase"


def header() -> dict:
    """What the player draws the same marks by; what they are called is told in interventions.js."""
    return {"colour": COLOUR, "thumb": THUMB, "cue": list(CUE)}


def draw_cue(picture: Image.Image, place: tuple[int, int], times: int) -> None:
    """A dot with a white rim at (row, column), on a picture enlarged `times` times."""
    y, x = ((at + 0.5) * times for at in place)
    radius = max(CUE[0] * times, CUE[1])
    ImageDraw.Draw(picture).circle((x, y), radius + 1, COLOUR, "white", 2)


def class_names(
    width: int,
    names: Sequence[str],
    palette: Sequence[str],
    font: ImageFont.ImageFont | ImageFont.FreeTypeFont,
) -> Image.Image:
    """A strip that names the classes next to their colours, in as many rows as its width asks for."""
    rows: list[list[tuple[int, str, str]]] = [[]]
    at = 16
    for k, (name, colour) in enumerate(zip(names, palette)):
        room = 40 + round(font.getlength(f"{k} {name}"))
        if rows[-1] and at + room > width:
            rows.append([])
            at = 16
        rows[-1].append((at, f"{k} {name}", colour))
        at += room
    strip = Image.new("RGB", (width, 24 * len(rows) + 4), "white")
    pen = ImageDraw.Draw(strip)
    for i, row in enumerate(rows):
        for left, name, colour in row:
            pen.rectangle((left, 24 * i + 4, left + 13, 24 * i + 17), colour, "black")
            pen.text((left + 20, 24 * i + 2), name, "black", font)
    return strip


def draw_time_line(
    pen: ImageDraw.ImageDraw,
    box: tuple[int, int, int],
    steps: int,
    t: int,
    do: Sequence[AnyIntervention],
    font: ImageFont.ImageFont | ImageFont.FreeTypeFont,
) -> None:
    """The line of time with step t on it, a triangle at each intervention, and below what was done so far.

    box: left, right and top; 44 px below top are used.
    """
    left, right, top = box
    y = top + 8
    place = [left + (right - left) * step / max(steps, 1) for step in range(steps + 1)]
    pen.line((left, y, right, y), "#7f8c99", 2)
    pen.circle((place[t], y), 6, THUMB)
    for item in do:
        if item.t <= steps:
            x = place[item.t]
            pen.polygon(((x, y + 6), (x - 5, y + 15), (x + 5, y + 15)), COLOUR)
    done = "; ".join(f"t = {item.t}: {name_of(item)}" for item in do if item.t <= t)
    pen.text((left, y + 18), done, COLOUR, font)
