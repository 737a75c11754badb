import csv
import re

import numpy as np
import pytest
from explorer import near
from served import at_rest, eventually, hold_in_the_sidebar, watched

from pages.stability import computed
from pages.stability.state import StabilityState, variants_of
from pages.ui import models

pytestmark = pytest.mark.browser
CHARTS = 2  # clock, certificate; local stability adds two, a perturbation one
EXPORTED = CHARTS + 2  # curves and plane, which on the page the race draws
SMALL = "T=16"  # short runs, where the length does not matter


@pytest.fixture
def open_page(new_context, url):
    def open_page(query, charts=CHARTS, before=None, **options):
        page = watched(new_context(**options))
        if before:
            before(page)
        page.goto(f"{url}/stability?{query}")
        settle(page, charts)
        return page

    return open_page


def settle(page, charts=CHARTS):
    """Wait until all charts are drawn and Python has answered."""
    page.wait_for_function(
        "n => document.querySelectorAll('.js-plotly-plot .main-svg .xtick').length > 0 && "
        "document.querySelectorAll('.js-plotly-plot').length === n",
        arg=charts,
    )
    at_rest(page)


def verdicts(page):
    return page.locator(".verdicts").inner_text()


def pictures(page):
    """The names, which are digests, of all images on the page."""
    sources = page.locator("[data-testid=stImage] img").evaluate_all("all => all.map(e => e.src)")
    return [source.split("/")[-1] for source in sources]


def slide(page, name, key, times=1):
    slider = page.get_by_role("slider", name=name)
    slider.focus()
    for _ in range(times):
        slider.press(key)


# ---- looks ---------------------------------------------------------------------------------------------


CUT = """() => {
    const out = [];
    for (const plot of document.querySelectorAll('.js-plotly-plot')) {
        const box = plot.getBoundingClientRect();
        if (box.left < 0 || box.right > innerWidth + 1) out.push('a chart');
        for (const text of plot.querySelectorAll('text')) {
            const b = text.getBoundingClientRect();
            const off = b.left < box.left - 1 || b.right > box.right + 1 || b.top < box.top - 1
                || b.bottom > box.bottom + 1;
            if (b.width && off) out.push(text.textContent);
        }
    }
    const table = document.querySelector('.verdicts');
    if (!table || table.getBoundingClientRect().right > innerWidth) out.push('the table');
    if (document.documentElement.scrollWidth > innerWidth) out.push('the page');
    return out;
}"""


def fits(page, width, theme):
    """All charts and the table are whole in a window of this width and theme."""
    page.emulate_media(color_scheme=theme)
    page.set_viewport_size({"width": width, "height": 1100})
    page.wait_for_function(
        "width => [...document.querySelectorAll('.js-plotly-plot .main-svg')].every(e => "
        "Math.abs(e.getBoundingClientRect().width - e.closest('[data-testid=stPlotlyChart]')?.clientWidth)"
        " < 2 && e.closest('[data-testid=stPlotlyChart]').clientWidth < width)",
        arg=width,
    )
    eventually(lambda: page.evaluate(CUT), lambda cut: cut == [])
    marks = page.locator(".verdicts .mark")
    assert marks.count() == 4
    assert len({marks.nth(i).evaluate("e => getComputedStyle(e).backgroundImage") for i in range(4)}) == 4
    ground = "getComputedStyle(document.querySelector('.stApp')).backgroundColor"
    brightness = lambda: sum(map(int, re.findall(r"\d+", page.evaluate(ground))[:3]))  # noqa: E731
    eventually(brightness, lambda found: (found > 380) == (theme == "light"))


# ---- what can be done ----------------------------------------------------------------------------------


def raced(page, steps=16):
    page.wait_for_selector(f".race[data-computed='{steps}']")


def mask_of(page, which):
    """The colours of a variant's mask, (H, W, 3)."""
    canvas = page.locator(".masks canvas").nth(which)
    raw = canvas.evaluate(
        "c => [c.width, c.height, [...c.getContext('2d').getImageData(0, 0, c.width, c.height).data]]"
    )
    return np.array(raw[2]).reshape(raw[1], raw[0], 4)[..., :3]


def shows_four(page, t, **view):
    """The race shows at step t what the core computes, with the clock held from step 3 on."""
    variants = variants_of(StabilityState(T=16, frozen=True, clock=3, **view), models.cards())
    for i, variant in enumerate(variants.values()):
        leg = computed.walk_of(variant).frozen
        assert near(mask_of(page, i), leg.shape[t] / 255).mean() > 0.998, (t, i)
        f1 = float(re.search(r"F1 ([\d.]+)", page.locator(".masks figcaption").nth(i).inner_text())[1])
        assert abs(f1 - leg.curves["f1"][t]) < 2e-3


def shows_paths(page, legs, plane):
    """Each path is the core's in its plane, but for the chart's scale; the axes say what share it holds."""
    page.wait_for_selector(".race[data-plane=own]")
    chart = page.locator(".race .charts svg").last
    drawn = chart.locator(".point").evaluate_all(
        "all => all.map(e => [+e.getAttribute('cx'), -e.getAttribute('cy')])"
    )
    wanted = np.concatenate([plane.place(leg.sample) for leg in legs])
    assert len(drawn) == len(wanted)
    for found, points in zip(np.transpose(drawn), wanted.T):
        assert np.corrcoef(found, points)[0, 1] > 0.9999  # turned the same way, too
    told = re.findall(r"PC\d \(([\d.]+) % of variance\)", chart.get_attribute("aria-label"))
    assert np.allclose([float(share) for share in told], 100 * plane.explained, atol=0.1)


def to_step(page, t):
    page.locator(".race .time").evaluate(
        "(r, t) => { r.value = t; r.dispatchEvent(new Event('input', {bubbles: true})); }", t
    )


def test_the_four_race_in_the_browser_as_the_core_runs_them(open_page):
    page = open_page(f"{SMALL}&frozen=true&clock=3", reduced_motion="reduce")
    raced(page)
    for t in (16, 0, 5):
        to_step(page, t)
        shows_four(page, t)
    variants = variants_of(StabilityState(T=16, clock=3), models.cards())
    legs = [computed.walk_of(variant).frozen for variant in variants.values()]
    shows_paths(page, legs, computed.plane_of(list(variants.values())))  # fitted to the same, clocks running
    page.get_by_text("“softmax, decay” alone", exact=True).click()
    page.wait_for_url(re.compile("plane=first"))
    page.get_by_text("Plane fitted to the states of “softmax, decay” alone, clock running.").wait_for()
    shows_paths(page, legs, computed.plane_of([variants["softmax, decay"]]))
    at_rest(page)
    assert page.get_by_text("judging…").count() == 0
    assert page.faults == []


# Each drawing of the paths: steps computed, kind of plane, points of the longest path, paths of runs before.
NOTE = """(() => {
    window.drawn = [];
    const find = () => [document, ...[...document.querySelectorAll('*')].map((one) => one.shadowRoot)]
        .map((root) => root?.querySelector('.race')).find(Boolean);
    const look = () => {
        const race = find();
        if (!race) return requestAnimationFrame(look);
        const all = (kind) => [...race.querySelectorAll(`.charts figure:last-child ${kind}`)];
        const points = (path) => path.getAttribute('d')?.match(/[ML]/g)?.length ?? 0;
        const longest = () => Math.max(0, ...all('path:not(.cloud)').map(points));
        const state = () => [+race.dataset.computed, race.dataset.plane, longest(), all('.cloud').length];
        const note = () => drawn.push(state());
        new MutationObserver(note).observe(race, { attributeFilter: ['data-computed', 'data-plane'] });
    };
    look();
})()"""


@pytest.mark.slow
def test_the_paths_grow_in_one_plane_while_the_four_race_and_then_take_their_own(open_page):
    page = open_page(SMALL, before=lambda page: page.add_init_script(NOTE), reduced_motion="reduce")
    page.wait_for_selector(".race[data-plane=own]")
    first = page.evaluate("drawn.splice(0)")
    assert [10, "first", 11, 0] in first and first[-1] == [16, "own", 17, 0]
    kinds = [kind for _, kind, points, _ in first if points]
    assert kinds == sorted(kinds)  # the first steps' plane, and then never again another
    page.get_by_role("button", name="New").first.click()
    page.wait_for_selector(".race[data-plane=before]")
    page.wait_for_selector(".race[data-plane=own]")
    then = page.evaluate("drawn.splice(0)")
    assert [5, "before", 6, 4] in then and then[-1] == [16, "own", 17, 0]
    told = page.locator(".of-plane").inner_text()
    assert told == "Plane fitted to all states of the four runs, clock running."
    assert page.faults == []


@pytest.mark.slow
def test_the_four_follow_the_sidebar(open_page):
    asked = []

    def listen(page):
        page.on("websocket", lambda socket: socket.on("framesent", lambda _: asked.append("message")))

    page = open_page(f"{SMALL}&frozen=true&clock=3", before=listen, reduced_motion="reduce")
    raced(page)
    to_step(page, 5)
    page.wait_for_url(re.compile("[?&]t=5"))
    page.wait_for_timeout(500)
    at_rest(page)
    changed = {}
    for field, by in (("eigenvalue", 50), ("sigma", 30)):
        asked.clear()
        changed[field] = hold_in_the_sidebar(page, f"stability-{field}", by)
        page.wait_for_selector(f".race[data-made*='\"{field}\":{changed[field]:g}}}']")
        shows_four(page, 5, **changed)
        page.wait_for_selector(".race[data-computed='16'][data-plane=before]")
        assert page.locator(".race .cloud").count() == 4  # the runs before, until the hand lets go
        assert "when you let go" in page.locator(".of-plane").inner_text()
        assert asked == []
        page.mouse.up()
        page.wait_for_url(re.compile(f"{field}={changed[field]:g}"))
        settle(page)
        page.wait_for_selector(".race[data-made$=',{}]'][data-computed='16'][data-plane=own]")
        shows_four(page, 5, **changed)
    assert page.faults == []


@pytest.mark.slow
def test_step_and_axes_change_the_picture_and_not_the_verdicts_and_files_hold_both(open_page, tmp_path):
    page = open_page(SMALL)
    raced(page)
    said = verdicts(page)
    slide(page, "Step t on show", "Home")
    assert "t = 0" in page.locator(".masks figcaption").last.inner_text()
    ticks = page.locator(".race .charts svg").first.locator(".tick").all_text_contents()
    page.get_by_label("Logarithmic axes").uncheck()
    assert page.locator(".race .charts svg").first.locator(".tick").all_text_contents() != ticks
    page.wait_for_url(re.compile("t=0.*log=false"))
    settle(page)
    assert [row.split("\t")[:4] for row in verdicts(page).splitlines()[1:]] == [
        row.split("\t")[:4] for row in said.splitlines()[1:]
    ]
    page.get_by_text("Take it along").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Curves (CSV)").click()
    rows = list(csv.DictReader(download.value.path().read_text().splitlines()))
    assert len(rows) == 4 * 2 * 17 and float(rows[16]["norm"]) > 0
    with page.expect_download() as download:
        page.get_by_role("button", name="Figures (HTML)").click()
    download.value.save_as(tmp_path / "figures.html")
    page.goto(f"file://{tmp_path}/figures.html")
    page.wait_for_function("document.querySelectorAll('.js-plotly-plot .main-svg .xtick').length > 0")
    assert page.locator(".js-plotly-plot").count() == EXPORTED
    assert [fault for fault in page.faults if "/media/" not in fault] == []  # a download is an aborted visit


# As soon as there is a Stop: a click from the test's own process may come after the answer.
ASK_AND_STOP = """ask => new Promise(done => {
    const look = () => {
        const all = [...document.querySelectorAll('button')];
        const stop = all.find((one) => one.textContent.trim() === 'Stop');
        if (!stop) return setTimeout(look, 5);
        stop.click();
        done();
    };
    ask.click();
    look();
})"""


@pytest.mark.thorough
def test_eigenvalues_come_on_a_button_with_progress_can_be_stopped_and_nothing_is_clipped(open_page):
    page = open_page(f"{SMALL}&focus=neither&at=4")
    ask = page.get_by_role("button", name="Compute eigenvalues and growth rates")
    ask.evaluate(ASK_AND_STOP)
    at_rest(page)
    ask.wait_for()
    assert "local" not in page.url and page.get_by_text("spectral radius").count() == 0
    ask.click()
    page.get_by_text(re.compile(r"Eigenvalues: \d+ products|Growth rates: \d+ of")).wait_for()
    page.get_by_text("spectral radius").wait_for()
    settle(page, CHARTS + 2)
    assert "local=true" in page.url
    page.get_by_role("button", name="Perturb at t = 4").click()
    settle(page, CHARTS + 3)
    assert page.get_by_text("of the perturbation is left").count() == 1
    fits(page, 1440, "dark")
    fits(page, 390, "light")
    assert page.faults == []


@pytest.mark.slow
def test_another_choice_interrupts_the_four_runs(open_page):
    page = open_page(SMALL, reduced_motion="reduce")  # while the runs are played, σ would stop them there
    raced(page)
    slide(page, "Run for T", "End")  # 120 steps
    slide(page, "Noise σ", "ArrowRight")
    slide(page, "Run for T", "Home")  # 8 steps
    page.wait_for_function("location.search.includes('T=8') && location.search.includes('sigma')")
    settle(page)
    eventually(lambda: verdicts(page), lambda said: "F1 at t = 8" in said)
    assert page.faults == []


@pytest.mark.thorough
def test_a_link_opens_the_very_same_view_elsewhere_and_the_menu_leads_back_to_it(open_page):
    page = open_page(f"{SMALL}&image=3")
    page.get_by_text("trained without", exact=True).click()
    page.wait_for_url(re.compile("mode=trained"))
    settle(page)
    raced(page)
    slide(page, "Step t on show", "End")
    slide(page, "Step t on show", "ArrowLeft", 3)
    page.wait_for_url(re.compile("t=13"))
    page.get_by_text("Show all panels with the clock held").click()
    page.wait_for_url(re.compile("frozen=true"))
    settle(page)
    page.get_by_text("Take it along").click()
    told = page.locator("[data-testid=stCode]").last
    eventually(lambda: told.inner_text().strip().replace("\n", ""), lambda link: link == page.url)
    other = open_page(page.url.split("?")[1], theme="dark", width=800)
    assert verdicts(other) == verdicts(page)
    eventually(lambda: pictures(other) == pictures(page))
    other.close()
    told = verdicts(page)
    page.get_by_role("link", name="Explore").click()  # and by the menu away and back
    page.wait_for_selector(".player[data-run]")
    page.get_by_role("link", name="Stability lab").click()
    settle(page)
    eventually(lambda: verdicts(page), lambda said: said == told)
    assert page.get_by_role("slider", name="Image seed").input_value() == "3"
    assert other.faults == page.faults == []
