"""Print how quick the browser's engine is: python tests/bench/bench_engine.py

For each checkpoint that ships, milliseconds of one step (of the one pass, where nothing is fed back) at its
own size: torch on one thread, the engine with SIMD and without, in a headless Chromium. They take turns, so
that whatever else the machine does meets all of them alike. Bar: with SIMD at most 4 times torch.
"""

import base64
import statistics
import sys
from pathlib import Path

import torch
from playwright.sync_api import sync_playwright

sys.path[:0] = [str(Path(__file__).parents[1] / "browser"), str(Path(__file__).parents[2])]
from engine_page import scripts, text  # noqa: E402
from served import FLAGS, chromium_path  # noqa: E402

from fbseg_core import load, make_batch  # noqa: E402
from fbseg_core.analysis.cost import cost, timings  # noqa: E402
from fbseg_core.checkpoint import shipped  # noqa: E402
from pages.engine.weights import packed  # noqa: E402

BAR = 4
ROUNDS = 12
OPEN = """async ([model, x, size]) => {
    for (const simd of [true, false]) {
        engines[simd] ??= await loadEngine(files(), simd);
        engines[simd].setModel(raw(model));
        engines[simd].setImage(floats(x), size);
    }
    window.image = [floats(x), size];
}"""
TIME = """([simd, steps, again]) => {
    const engine = engines[simd];
    const start = performance.now();
    for (let i = 0; i < steps; i++) {
        if (again) engine.setImage(...image); // else what is made of the image alone would be kept
        engine.step();
    }
    return (performance.now() - start) / steps;
}"""


def main() -> None:
    torch.set_num_threads(1)
    heads = f"{'MMAC':>6}{'torch':>16}{'SIMD':>16}{'ratio':>7}{'plain':>18}{'ratio':>7}"
    print(f"{'p50 (least), ms a step':28}{heads}")
    with sync_playwright() as playwright:
        page = playwright.chromium.launch(executable_path=chromium_path(), args=FLAGS).new_page()
        page.add_script_tag(content=scripts())
        for name in shipped():
            model, card = load(name)
            x = make_batch(card.task, 1, seed=0).x
            bytes_of_model = base64.b64encode(packed(model, card.task.size)).decode()
            page.evaluate(OPEN, [bytes_of_model, text(x), list(card.task.size)])
            taken = {"torch": [], "SIMD": [], "plain": []}
            for _ in range(ROUNDS):
                taken["torch"] += [timings(model, x, repeats=3).median]
                taken["SIMD"] += [page.evaluate(TIME, [True, 3, not model.has_loop()])]
                taken["plain"] += [page.evaluate(TIME, [False, 1, not model.has_loop()])]
            middle = {key: statistics.median(values) for key, values in taken.items()}
            shown = {key: f"{middle[key]:.1f} ({min(values):.1f})" for key, values in taken.items()}
            ratio = {key: middle[key] / middle["torch"] for key in ("SIMD", "plain")}
            print(
                f"{name:28}{cost(model, x).unit_macs / 1e6:6.0f}{shown['torch']:>16}{shown['SIMD']:>16}"
                f"{ratio['SIMD']:7.2f}{shown['plain']:>18}{ratio['plain']:7.2f}"
                + ("" if ratio["SIMD"] <= BAR else f"  above the bar of {BAR}")
            )


if __name__ == "__main__":
    main()
