"""What a visitor can take along from the Explore screen: curves, trajectory, animation, code and links."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import streamlit as st
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from fbseg_core.analysis.curves import answer_curves, state_curves
from fbseg_core.rollout.halting import AUTO
from fbseg_core.rollout.interventions import AnyIntervention
from fbseg_core.scores.metrics import mask_of
from fbseg_core.tasks import task_of
from pages.explore import computed
from pages.explore.halting import stop_of
from pages.explore.run import Run, Scene, cues_of, shown_of
from pages.explore.state import PARTS
from pages.ui import images, marks, own_models
from pages.ui.code import INSTALL
from pages.ui.models import own_title
from pages.ui.screen import Screen
from pages.ui.tables import csv_of

SIDE = 192  # px of a panel in the animation
FRAME_MS = 250
NAMES = {
    "models": "task and models", "image": "image seed", "noise": "noise", "switches": "switches, T and τ",
    "layers": "layers", "interventions": "interventions", "plane": "path of the state",
    "draw": "drawing", "numbers": "curves and costs", "export": "this box", "lesson": "lessons",
}  # fmt: skip


def table(run: Run, untouched: Run) -> str:
    """The curves as CSV, one row a step; the untouched run's too where there were interventions.

    Where there are any: interventions, by name in the row of their step; cue_row and cue_column.
    """
    columns: dict[str, np.ndarray] = {"t": np.arange(len(run.labels))}
    runs = {"model": run} if untouched is run else {"model": run, "untouched": untouched}
    for name, one in runs.items():
        curves = answer_curves(one.trajectory.logits, one.labels) | state_curves(one.trajectory)
        columns |= {f"{name}_{key}": values for key, values in curves.items()}
    answers = answer_curves(run.comparison, run.labels)
    columns |= {f"comparison_{key}": values for key, values in answers.items()}
    rows = range(len(run.labels))
    # no infinity: not every reader of CSV knows the word
    columns = {name: np.where(np.isfinite(column), column, np.nan) for name, column in columns.items()}
    if run.scene.do:
        columns["interventions"] = [
            "; ".join(marks.name_of(item) for item in run.scene.do if item.t == row) for row in rows
        ]
    if cues := cues_of(run):
        for i, name in enumerate(("cue_row", "cue_column")):
            columns[name] = [None if cues[row] is None else cues[row][i] for row in rows]
    return csv_of({name: column[: len(rows)] for name, column in columns.items()})


def arrays(run: Run, auto: bool = False, title: str = "") -> bytes:
    """The trajectory as a NumPy archive: x, labels, h, logits, delta, applied, v_hat and error if any; code.

    class_names (K,): what the labels 0, 1, … are; a label of 255 is void.
    cue (T+1, 2): row and column at each step, −1 where there is none; left out for a task without cues.
    interventions: what was done, as "t = 3: cut the loop". auto, title: as in `snippet`.
    """
    trajectory = run.trajectory
    named = {name: getattr(trajectory, name) for name in ("h", "logits", "delta", "applied")}
    named |= {"x": run.x, "labels": run.labels}
    named |= {key: getattr(trajectory, key) for key in ("v_hat", "error")}
    out = io.BytesIO()
    told = np.array(json.dumps({"scene": repr(run.scene.told()), "code": snippet(run.scene, auto, title)}))
    made = {name: tensor.numpy() for name, tensor in named.items() if tensor is not None}
    made["class_names"] = np.array(task_of(run.scene.task).class_names(run.scene.task), str)
    made["interventions"] = np.array([f"t = {item.t}: {marks.name_of(item)}" for item in run.scene.do], str)
    cues = cues_of(run)
    if cues is not None:
        made["cue"] = np.array([cue or (-1, -1) for cue in cues])
    np.savez_compressed(out, scene=told, **made)
    return out.getvalue()


def animation(
    run: Run, untouched: Run, names: Sequence[str], stop: int | None = None, kind: str = "PNG"
) -> bytes:
    """The run as an animated PNG or GIF; stop: the last step to be shown, all if None.

    A GIF has 256 colours, the same for all frames, so that none changes its colour from one to the next.
    """
    first, *rest = frames(run, untouched, names, stop)
    if kind == "GIF":
        whole = Image.new("RGB", (first.width, first.height * (len(rest) + 1)))
        for i, frame in enumerate((first, *rest)):
            whole.paste(frame, (0, i * first.height))
        colours = whole.quantize(256)
        first, *rest = (frame.quantize(palette=colours, dither=Image.Dither.NONE) for frame in (first, *rest))
    out = io.BytesIO()
    first.save(out, kind, save_all=True, append_images=rest, duration=FRAME_MS, loop=0)
    return out.getvalue()


def frames(run: Run, untouched: Run, names: Sequence[str], stop: int | None) -> list[Image.Image]:
    """One picture a step: input, model, the untouched run if there is one, the other model, truth.

    Models are shown by P(shape), or of more than two classes by their masks in the classes' colours, which
    are named at the foot.
    Below them stands the line of time with its marks, and what was done so far.
    """
    drawn = []
    font = ImageFont.load_default(14)
    config, shown, cue = run.scene.task, shown_of(run.scene.task), task_of(run.scene.task).cue_channel
    palette, channel = images.class_palette(config), cue(config)
    runs = [run.trajectory] if untouched is run else [run.trajectory, untouched.trajectory]
    titles = [names[0], "untouched"]
    across, height = (round(SIDE * side / max(config.size)) for side in reversed(config.size))
    columns = len(runs) + 3
    kinds = task_of(config).class_names(config)
    foot = marks.class_names(columns * (SIDE + 8) + 8, kinds, palette, font) if len(kinds) > 2 else None
    for t in range(len(run.labels) if stop is None else stop + 1):
        x = run.x[t, 0]
        panels = [("input", images.input_image(x[shown], None if channel is None else x[channel]))]
        for title, one in zip(titles, runs):
            panels.append((f"{title}, t = {t}", _answer(one.logits, t, palette)))
        panels.append((names[1], _answer(run.comparison, t, palette)))
        panels.append(("truth", images.mask_image(run.labels[t, 0], palette)))
        frame = Image.new(
            "RGB", (columns * (SIDE + 8) + 8, height + 76 + (foot.height if foot else 0)), "white"
        )
        pen = ImageDraw.Draw(frame)
        for i, (title, picture) in enumerate(panels):
            left = 8 + i * (SIDE + 8)
            pen.text((left, 6), title, "black", font)
            # each pixel is a square of whole pixels in both sizes: BOX smooths nothing but the marks
            frame.paste(picture.resize((across, height), Image.Resampling.BOX), (left, 28))
        box = (16, frame.width - 16, height + 32)
        marks.draw_time_line(pen, box, len(run.labels) - 1, t, run.scene.do, font)
        if foot:
            frame.paste(foot, (0, height + 76))
        drawn.append(frame)
    return drawn


def _answer(logits: Tensor, t: int, palette: Sequence[str]) -> Image.Image:
    """What logits (T+1, 1, K, H, W), or their last, answer at step t: P(shape), or the mask of K > 2."""
    frame = logits[min(t, len(logits) - 1), 0]
    if len(frame) > 2:
        return images.mask_image(mask_of(frame), palette)
    return images.probability_image(1 - frame.softmax(0)[0])


def snippet(scene: Scene, auto: bool = False, title: str = "") -> str:
    """Python code that repeats the run of a scene with `fbseg_core` alone, bit for bit.

    auto: and says at which step it is stopped by itself. title: of a model that is named by a mere file.
    """
    reads = not task_of(scene.task).on_its_own
    used = sorted(
        {type(item).__name__ for item in scene.do}
        | {"intervene"}
        | ({"unpack_mask"} if scene.drawing else set())
    )
    lines = [
        *["import torch", ""] * bool(scene.drawing),
        "from fbseg_core import Switches, load",
        *["from fbseg_core.rollout.halting import RULES"] * auto,
        f"from fbseg_core.rollout.interventions import {', '.join(sorted(used, key=str.lower))}",
        "from fbseg_core.scores.metrics import score_by_step",
        "from fbseg_core.tasks import task_of",
        "",
        f"model, card = load({own_models.loadable(scene.models[0])!r})" + f"  # {title}" * bool(title),
        f"task = card.task.replace(sigma={scene.task.sigma!r})",
        *["task = task_of(task).opened(task.replace(folder='images'))  # where yours are"] * reads,
        "kind = task_of(task)",
        f'content = kind.content(task, 1, seed={scene.image}, split="test")',
    ]
    if scene.drawing or scene.cue is not None:
        lines.append("mask, cue = kind.sketch(task, content)")
    if scene.drawing:
        lines.append(f"mask = torch.from_numpy(unpack_mask({scene.drawing!r}, {scene.task.size}))")
    if scene.drawing or scene.cue is not None:
        lines.append(f"content = kind.drawn(task, mask, {'cue' if scene.cue is None else scene.cue})")
    lines += [
        f"batch = kind.observe(task, content, kind.noise(task, 1, seed={scene.noise}))",
        f"switches = Switches({_arguments(scene.switches.changed())})",
        f"interventions = [{', '.join(_item(item) for item in scene.do)}]",
        f"run = intervene(model, task, batch, {scene.steps}, interventions, switches)",
        *[f'print("stopped by itself at t =", int(RULES[{AUTO.name!r}].stop(run.trajectory)[0]))'] * auto,
        "f1, iou = score_by_step(run.trajectory.logits.argmax(2), run.labels, card.model.classes)",
        'print("F1 at t = 0, 1, …:", [round(value, 3) for value in f1[:, 0].tolist()])',
    ]
    return "\n".join([INSTALL, *lines]) + "\n"


def _item(item: AnyIntervention) -> str:
    return f"{type(item).__name__}({_arguments({k: v for k, v in item.changed().items() if k != 'kind'})})"


def _arguments(values: dict) -> str:
    return ", ".join(f"{key}={tuple(v) if isinstance(v, list) else v!r}" for key, v in values.items())


def show(screen: Screen, scene: Scene, names: Sequence[str]) -> None:
    """The box at the end of the screen, filled once it is opened. Files are made when they are asked for.

    Until then a session must not hold on to its runs, so they are fetched, or made again, by their scene.
    """
    box = st.expander("Take it along: files, code, links", key="explore-files", on_change="rerun")
    if not box.open:
        return
    auto = screen.view.auto
    stop = stop_of(computed.run(scene)) if auto else None
    name = scene.models[0]
    title = own_title(name)
    stem = f"{Path(own_models.loadable(name)).stem}-image{scene.image}-sigma{scene.task.sigma:g}"
    with box:
        files = st.container(horizontal=True)
        for label, make, ending, kind in (
            ("Curves (CSV)", lambda: table(*computed.runs(scene)), "csv", "text/csv"),
            (
                "Trajectory (NPZ)",
                lambda: arrays(computed.run(scene), auto, title),
                "npz",
                "application/octet-stream",
            ),
            ("Animation (PNG)", lambda: animation(*computed.runs(scene), names, stop), "png", "image/png"),
            (
                "Animation (GIF)",
                lambda: animation(*computed.runs(scene), names, stop, "GIF"),
                "gif",
                "image/gif",
            ),
        ):
            files.download_button(
                label, make, f"{stem}.{ending}", kind, key=f"export-{ending}", on_click="ignore"
            )
        st.markdown("**The same run in Python**, bit for bit:")
        st.code(snippet(scene, auto, title), language="python")
        st.markdown("**Link** to this very screen:")
        st.code(screen.address(), language=None, wrap_lines=True)
        hidden = st.multiselect(
            "Teacher link: what to hide", PARTS, format_func=NAMES.get, key="teacher", placeholder="nothing"
        )
        if hidden:
            st.code(screen.address(hide=tuple(hidden)), language=None, wrap_lines=True)
