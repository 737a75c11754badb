"""Pure functions of the components' JavaScript, without the app: against Python's answer or a known one."""

import numpy as np
import pytest
from served import ROOT

from fbseg_core.config import FolderConfig, GroupingConfig
from fbseg_core.rollout.interventions import pack_mask, unpack_mask
from fbseg_core.tasks import TASKS, task_of
from pages.engine import NUMPY
from pages.explore.player import layers
from pages.ui.web import script
from pages.ui.web.wire import Blocks

pytestmark = pytest.mark.browser
PLAYER = ROOT / "pages/explore/player"
SCRIPTS = ("decode", "charts", "brush", "tools", NUMPY, PLAYER / "paint.js", PLAYER / "panels.js")


@pytest.fixture(scope="module")
def ask(chromium):
    """Evaluate a function of one argument on an empty page with the scripts, joined as in a component."""
    page = chromium.new_page()
    page.add_script_tag(content=script(SCRIPTS, {"RUN": layers.constants()}))
    yield page.evaluate
    page.close()


# ---- the wire format ----------------------------------------------------------------------------------

DECODE = """([raw, shift]) => {
    const bytes = new Uint8Array(raw.length + shift);  // a message need not begin where its buffer does
    bytes.set(raw, shift);
    const { header, start } = decodeHeader(bytes.subarray(shift));
    const blocks = decodeBlocks(bytes.subarray(shift), header, start);
    for (const block of Object.values(blocks)) block.data = [...block.data];
    return { header, blocks };
}"""


@pytest.mark.parametrize("shift", [0, 3])
def test_blocks_arrive_as_they_were_sent(ask, shift):
    draw = np.random.default_rng(0)
    sent = {
        "byte": draw.random((3, 5, 7)),  # 105 bytes: what follows is aligned
        "wide": draw.normal(0, 1e3, (2, 5, 7)),
        "level": np.full((1, 2, 2), 4.0),  # no extent: the low end itself
        "huge": np.array([[[-1.7e308, 0.0, 1.7e308]]]) / 2,
    }
    blocks = Blocks()
    blocks.add("byte", sent["byte"], 0, 1)
    for name in ("wide", "level", "huge"):
        blocks.add_spanned(name, sent[name], wide=name == "wide")
    found = ask(DECODE, [list(blocks.packed({"names": ["v̂", "‖δ‖ é"]})), shift])
    assert found["header"]["names"] == ["v̂", "‖δ‖ é"]
    assert list(found["blocks"]) == list(sent)
    for name, values in sent.items():
        block = found["blocks"][name]
        assert tuple(block["shape"]) == values.shape and block["top"] == (65535 if name == "wide" else 255)
        lo, hi, top = block["lo"], block["hi"], block["top"]
        read = lo + (hi - lo) * (np.array(block["data"]) / top)
        assert np.abs(read - values.ravel()).max() <= (hi - lo) / top * 0.5001, name


def test_a_block_of_one_frame_holds_at_every_step_and_others_at_their_own(ask):
    found = ask(
        """() => {
            const scale = { lo: -1, hi: 1, top: 255 };
            const data = (frames) => Uint8Array.from({ length: 6 * frames }, (_, i) => i);
            const block = (frames) => ({ data: data(frames), ...scale, shape: [frames, 2, 3] });
            const [many, one] = [block(3), block(1)];
            const at = (block, t) => [...frameOf(block, t)];
            return [0, 1, 2, 9].map((t) => [at(many, t), at(one, t), valueOf(many, t, 5)]);
        }"""
    )
    frames = np.arange(18).reshape(3, 6)
    for t, (many, one, value) in zip((0, 1, 2, 9), found):
        assert many == frames[min(t, 2)].tolist() and one == frames[0].tolist()
        assert value == pytest.approx(-1 + 2 * frames[min(t, 2), 5] / 255)


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (16, 16), (48, 80)])
@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_a_mask_packed_in_the_browser_is_unpacked_in_python(ask, size, share):
    mask = np.random.default_rng(1).random(size) < share
    text = ask("mask => packMask(Uint8Array.from(mask))", mask.ravel().astype(int).tolist())
    assert np.array_equal(unpack_mask(text, size), mask)
    assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
    packed, other = pack_mask(mask), mask.size + 8
    found = ask(
        "async ([text, n, m]) => [[...await unpackMask(text, n)], await unpackMask(text, m)]",
        [packed, mask.size, other],
    )
    assert found == [mask.ravel().tolist(), None]


def test_what_is_no_mask_marks_nothing(ask):
    assert (
        ask("text => unpackMask(text, 16)", "x") is None and ask("text => unpackMask(text, 16)", "?") is None
    )


# ---- noise -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("entropy", [[0, 2], [7, 1], [2**31 - 1, 2]])
def test_normal_numbers_are_numpys(ask, entropy):
    rng = np.random.default_rng(np.random.SeedSequence(entropy))
    wanted = rng.standard_normal(20001, dtype=np.float32)  # an odd number: half of the last 64 bits is left
    assert (abs(wanted) > 3.66).any()  # the tail has a way of its own
    assert (
        ask("([n, entropy]) => [...standardNormals(n, entropy)]", [len(wanted), entropy]) == wanted.tolist()
    )


@pytest.mark.parametrize("seed", [0, 1, 7, 999, 2**31 - 1])
def test_a_task_s_noise_is_the_core_s(ask, seed):
    configs = [task.config() for task in TASKS.values() if task.on_its_own]
    configs += [
        GroupingConfig(side=40),
        FolderConfig(height=32, width=48, channels=3),
        FolderConfig(channels=1),
    ]
    assert {config.name for config in configs} == set(TASKS)
    for config in configs:
        task = task_of(config)
        height, width = config.size
        noise = ask(
            "args => [...unitNoise(...args)]", [seed, list(task.noisy_channels(config)), height * width]
        )
        assert np.array_equal(np.array(noise, np.float32), task.noise(config, 1, seed).flatten()), config.name


# ---- charts -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "lo, hi",
    [(0, 1), (-0.03, 1.03), (0, 60), (-3.7, 12.2), (1e-9, 4e-9), (-2e12, 5e12), (99.9, 100.1), (5, 5)],
)
def test_ticks_are_few_round_and_even(ask, lo, hi):
    ticks = np.array(ask("([lo, hi]) => ticksOf(lo, hi)", [lo, hi]))
    slack = 1e-6 * max(hi - lo, 1e-300)
    assert 1 <= len(ticks) <= 10 and (ticks >= lo - slack).all()
    assert (ticks <= hi + 1e-5 * max(abs(hi), hi - lo)).all()
    if hi > lo:
        steps = np.diff(ticks)
        assert len(ticks) >= 3 and steps == pytest.approx(steps[0], rel=1e-6)
        digit = steps[0] / 10.0 ** np.floor(np.log10(steps[0]) + 1e-9)
        assert digit == pytest.approx(1) or digit == pytest.approx(2) or digit == pytest.approx(5)


@pytest.mark.parametrize(
    "lo, hi, ticks",
    [
        (0.5, 2000, [1, 10, 100, 1000]),
        (1, 1e12, [1, 1e3, 1e6, 1e9, 1e12]),
        (1.5, 60, [2, 5, 10, 20, 50]),
    ],
)
def test_logarithmic_ticks_are_decades_or_steps_between_them(ask, lo, hi, ticks):
    assert ask("([lo, hi]) => ticksOf(lo, hi, true)", [lo, hi]) == pytest.approx(ticks)


def test_where_hardly_a_digit_lies_between_the_ends_logarithmic_ticks_are_even(ask):
    ticks = ask("() => ticksOf(2.1, 2.9, true)")
    assert len(ticks) > 2 and all(2.1 <= tick <= 2.9 for tick in ticks)


@pytest.mark.parametrize(
    "ticks, power", [([0, 0.5, 1], 0), ([0, 5000], 0), ([0, 2e4, 4e4], 4), ([-3e-5, 0], -5), ([0], 0)]
)
def test_the_power_of_ten_that_an_axis_leaves_to_its_label(ask, ticks, power):
    assert ask("ticks => factorOf(ticks)", ticks) == power


@pytest.mark.parametrize(
    "value, text",
    [
        (0, "0"),
        (0.12345, "0.123"),
        (-45.678, "-45.7"),
        (12345, "1.23e4"),
        (0.00123, "1.23e-3"),
        (0.01, "0.01"),
    ],
)
def test_numbers_are_written_short(ask, value, text):
    assert ask("value => short(value)", value) == text


@pytest.mark.parametrize(
    "values, log, ends",
    [
        ([1.0, 1.0003], False, (0.95, 1.05)),  # a change of 0.03 % is no wave
        ([0.0, 10.0], False, (-0.6, 10.6)),
        ([-5.0, -5.0], False, (-5.25, -4.75)),
        ([0.0], False, (-0.5, 0.5)),
        ([100.0, 100.03], True, (70.7, 141.5)),
        ([1.0, 100.0], True, (0.77, 130.0)),
        ([], True, (0.077, 1.3)),
    ],
)
def test_no_axis_turns_a_small_change_into_a_wave(ask, values, log, ends):
    assert ask("([values, log]) => boundsOf(values, log)", [values, log]) == pytest.approx(ends, rel=1e-2)


def test_a_path_is_broken_where_there_is_no_value(ask):
    paths = ask(
        """() => {
            const draw = (values, log) => pathOf(values, (t) => 10 * t, (v) => v, log);
            return [draw([1, 2, null, 4, 5]), draw([0, 2, -1, 4], true), draw([null])];
        }"""
    )
    assert paths == ["M0.0,1.0L10.0,2.0M30.0,4.0L40.0,5.0", "M10.0,2.0M30.0,4.0", ""]


@pytest.mark.parametrize("log", [False, True])
def test_the_scales_of_a_chart_take_its_ends_to_the_edges_of_its_area(ask, log):
    found = ask(
        """log => {
            const [x, y] = [[0, 10], log ? [0.1, 1000] : [-2, 6]];
            const rest = { height: 230, xLabel: "t", yLabel: "y", legend: [], log };
            const { px, py, top, bottom } = frame(node(document.body, "svg", {}), { x, y, ...rest });
            const across = [0, 5, 10].map(px), up = [y[0], log ? 10 : 2, y[1]].map(py);
            return { x: across, y: up, ends: [bottom, top], area: [AREA.left, WIDTH - AREA.right] };
        }""",
        log,
    )
    (left, right), (bottom, top) = found["area"], found["ends"]
    assert found["x"] == pytest.approx([left, (left + right) / 2, right])
    assert found["y"] == pytest.approx([bottom, (bottom + top) / 2, top])


# ---- pictures -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [0, 1, 10, 60, 120])
@pytest.mark.parametrize("width", [300, 390, 1100])
def test_a_film_reaches_from_the_first_step_to_the_last_with_frames_that_fit(ask, steps, width):
    film = ask("([steps, width]) => filmOf({ header: { steps } }, width)", [steps, width])
    t, x = (np.array([frame[key] for frame in film["frames"]]) for key in ("t", "x"))
    cell = film["cell"]
    assert 30 <= cell <= 90 and t[0] == 0 and t[-1] == steps and x[0] == cell / 2
    assert (np.diff(t) > 0).all() and (np.diff(x) >= cell - 1e-6).all()
    if steps:
        assert x[-1] == pytest.approx(width - cell / 2) and np.diff(x) == pytest.approx(film["pitch"])


def test_a_difference_goes_from_grey_to_a_colour_for_either_sign(ask):
    none, more, less, half, beyond = ask("() => [0, 1, -1, 0.5, 7].map(diverging)")
    assert none == [232, 232, 232] and more == beyond == [213, 94, 0] and less == [0, 114, 178]
    assert half == pytest.approx((np.array(none) + more) / 2, abs=1)


@pytest.mark.parametrize("end", [(0, 0), (7, 2), (-3, 11), (5, 5)])
def test_a_quick_stroke_has_no_gaps(ask, end):
    way = np.array([[0, 0], *ask("end => between([0, 0], end)", list(end))])
    assert way[-1].tolist() == list(end) and np.abs(np.diff(way, axis=0)).max() <= 1


def test_stamps_mark_what_lies_inside_them(ask):
    marks = ask("() => ['circle', 'square', 'triangle', 'pen'].map(tool => marked(tool, [40, 50], 20, 25))")
    rows, columns = np.mgrid[:40, :50]
    dy, dx = rows - 20, columns - 25
    inside = {
        "circle": dy**2 + dx**2 <= 64,
        "square": np.maximum(abs(dy), abs(dx)) <= 8 / np.sqrt(2),
        # its tip on top, each of its sides half a radius from the middle
        "triangle": (dy <= 4) & (np.sqrt(3) / 2 * abs(dx) - dy / 2 <= 4),
        "pen": dy**2 + dx**2 <= (40 / 32) ** 2,
    }
    for (name, want), found in zip(inside.items(), marks):
        assert sorted(found) == np.flatnonzero(want).tolist(), name


def test_nothing_is_marked_outside_the_image(ask):
    found = ask("() => marked('circle', [10, 12], 0, 11)")
    assert found and all(0 <= pixel < 120 for pixel in found) and len(set(found)) == len(found)
    assert all(pixel // 12 <= 2 and pixel % 12 >= 9 for pixel in found)
