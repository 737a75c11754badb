"""What the browser tests of Explore share: driving the player, reading its panels, and the core's own run."""

import base64
import re

import numpy as np
from served import at_rest, eventually

from fbseg_core import Switches, load
from fbseg_core.rollout.interventions import intervene
from fbseg_core.tasks import draw
from pages.ui import images

LUT = np.frombuffer(images.colour_scale(), np.uint8).reshape(256, 3).astype(int)


def settle(page):
    """Wait until the run has been played, or stands still, and Python has answered everything."""
    page.wait_for_selector(".player[data-playing=false]")
    page.locator(".busy").wait_for(state="hidden")
    at_rest(page)


def step(page):
    return int(page.locator(".player").get_attribute("data-t"))


def run_id(page):
    return page.locator(".player").get_attribute("data-run")


def another_run(page, before):
    page.wait_for_selector(f".player[data-run]:not([data-run='{before}'])")
    settle(page)


def payload(page):
    return page.locator(".player").get_attribute("data-payload")


def another_payload(page, before):
    page.wait_for_selector(f".player[data-payload]:not([data-payload='{before}'])")
    settle(page)


def summary(page):
    return page.locator(".summary").inner_text()


def go(page, t):
    page.locator(".time").evaluate(
        "(range, t) => { range.value = t; range.dispatchEvent(new Event('input', {bubbles: true})); }", t
    )


def pixels(page, panel):
    """The colour of every pixel of the image in a panel, (H, W, 3), read at the pixels' centres."""
    raw = page.locator(f".panel.{panel} canvas").evaluate(
        """canvas => {
            const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
            let text = '';
            for (let i = 0; i < data.length; i += 4096)
                text += String.fromCharCode(...data.subarray(i, i + 4096));
            return [canvas.width, canvas.height, btoa(text)];
        }"""
    )
    image = np.frombuffer(base64.b64decode(raw[2]), np.uint8).reshape(raw[1], raw[0], 4)[..., :3].astype(int)
    caption = page.locator(".panel.input figcaption").inner_text()
    times = raw[0] // int(re.search(r"\d+×(\d+)", caption)[1])
    return image[times // 2 :: times, times // 2 :: times]


def boxes(page, selector):
    """Where all that it selects stands."""
    return [one.bounding_box() for one in page.locator(selector).all()]


def place(page, panel, row, column):
    """Where the centre of a pixel of the image stands on the page, (x, y)."""
    canvas = page.locator(f".panel.{panel} canvas")
    box, size = canvas.bounding_box(), page.locator(".panel.input figcaption").inner_text()
    height, width = map(int, re.search(r"(\d+)×(\d+)", size).groups())
    left, top, across, down = canvas.evaluate(
        "c => [c.clientLeft, c.clientTop, c.clientWidth, c.clientHeight]"
    )
    return (
        box["x"] + left + across * (column + 0.5) / width,
        box["y"] + top + down * (row + 0.5) / height,
    )


def shows(page, panel, probs):
    """Whether a panel shows these probabilities (H, W) to within one grey level."""
    return bool(near(pixels(page, panel), probs).all())


def shows_soon(page, panel, probs):
    """Wait until a panel shows these probabilities: after an answer, or a change of its layer."""
    eventually(lambda: shows(page, panel, probs))


def near(colours, values):
    """Which pixels (H, W) have the colour of their value in [0, 1] to within one of 255 grey levels."""
    want = np.rint(np.asarray(values, float) * 255).astype(int)
    return np.any([(colours == LUT[np.clip(want + d, 0, 255)]).all(-1) for d in (-1, 0, 1)], 0)


PINK = """canvas => {
    const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
    let found = 0;
    for (let i = 0; i < data.length; i += 4) found += data[i] > 200 && data[i + 1] < 60;
    return found;
}"""


def reference(name, image=0, noise=0, sigma=None, do=(), steps=10, **switches):
    model, card = load(name)
    task = card.task if sigma is None else card.task.replace(sigma=sigma)
    return intervene(model, task, draw(task, image, noise), steps, do, Switches(**switches))


def shape(result, t):
    return 1 - result.trajectory.probs[t, 0, 0]


# Text below AA, in the page and in its shadow roots, as "ratio text".
CONTRAST = """() => {
    const parse = c => (c.match(/[\\d.]+/g) ?? [0, 0, 0, 0]).map(Number);
    const up = e => e.parentElement ?? e.getRootNode().host ?? null;
    const over = (top, a, under) => top.map((v, i) => v * a + under[i] * (1 - a));
    const linear = v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    const light = rgb => rgb.map(v => linear(v / 255))
        .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    const ground = e => {
        const layers = [];
        for (; e; e = up(e)) {
            const [r, g, b, a = 1] = parse(getComputedStyle(e).backgroundColor);
            if (a) layers.push([[r, g, b], a]);
            if (a === 1) break;
        }
        return layers.reverse().reduce((under, [rgb, a]) => over(rgb, a, under), [255, 255, 255]);
    };
    const faults = [];
    const visit = e => {
        if (e.shadowRoot) [...e.shadowRoot.children].forEach(visit);
        [...e.children].forEach(visit);
        const text = [...e.childNodes].filter(n => n.nodeType === 3).map(n => n.data.trim()).join(' ').trim();
        const style = getComputedStyle(e);
        if (!text || !e.checkVisibility({visibilityProperty: true})) return;
        if (e.closest('[disabled], style, script, title, [aria-hidden], [data-testid=stSlider]')) return;
        const [r, g, b, a = 1] = parse(e instanceof SVGElement ? style.fill : style.color);
        let alpha = a;
        for (let p = e; p; p = up(p)) alpha *= +getComputedStyle(p).opacity;
        const under = ground(e);
        const pair = [light(over([r, g, b], alpha, under)), light(under)];
        const [x, y] = pair.sort((p, q) => q - p);
        const ratio = (x + 0.05) / (y + 0.05);
        const large = parseFloat(style.fontSize) >= 24;
        if (ratio < (large ? 3 : 4.5)) faults.push(`${ratio.toFixed(2)} ${text.slice(0, 40)}`);
    };
    visit(document.querySelector('.stApp'));
    return faults;
}"""
