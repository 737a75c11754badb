import pytest
import torch
from explorer import (
    CONTRAST,
    LUT,
    another_run,
    go,
    pixels,
    place,
    reference,
    run_id,
    shape,
    shows,
    step,
)
from served import eventually, hold_in_the_sidebar

from fbseg_core import load, make_batch, rollout
from fbseg_core.rollout.interventions import Flip, Freeze, Perturb, Swap
from fbseg_core.scores.metrics import f1_over_time
from fbseg_core.tasks import draw

pytestmark = pytest.mark.browser


# ---- interventions ------------------------------------------------------------------------------------


ACTS = {
    "Softmax off": Flip(t=3, switch="softmax"),
    "Hold the decay's clock": Freeze(t=3),
    "Decay off": Flip(t=3, switch="decay"),
    "Show the model another image": Swap(t=3, seed=3),
    "Add noise to every neuron": Perturb(t=3),
    "Cut the loop": Flip(t=3),
}


def f1_at(result, truth, t=7):
    return float(f1_over_time(result.trajectory.logits[t][None], truth)[0, 0])


@pytest.mark.thorough
def test_each_intervention_acts_at_the_step_on_show(open_page):
    page = open_page("?task=grouping&image=2&t=3")
    untouched = want = reference("grouping-feedback", image=2)
    done = ()
    for name, item in ACTS.items():  # one on top of the other
        before, last = run_id(page), shape(want, 7)
        page.locator(".acts").get_by_role("button", name=name).click()
        another_run(page, before)
        done += (item,)
        want = reference("grouping-feedback", image=2, do=done)
        go(page, 7)
        assert shows(page, "run", shape(want, 7)) and not shows(page, "run", last)
        go(page, 3)
    for t in (2, 3, 7):
        go(page, t)
        assert shows(page, "run", shape(want, t)) and shows(page, "ghost", shape(untouched, t))
        assert shows(page, "truth", want.labels[t, 0] > 0)
    assert page.locator(".chips button").filter(has_text="t = 3").count() == len(ACTS)
    first, new = untouched.labels[7], want.labels[7]
    scores = {
        "run": f"F1 {f1_at(want, new):.3f}, first image {f1_at(want, first):.3f}",
        "ghost": f"F1 {f1_at(untouched, first):.3f}, first image",
        "truth": "new image",
    }
    for panel, said in scores.items():  # which image a score is of
        assert said in page.locator(f".panel.{panel} figcaption").inner_text(), panel
    names = page.locator("svg.over-time")
    assert {"untouched, first image", "feedback, first image"} <= set(
        names.locator("text").all_text_contents()
    )
    right = names.bounding_box()["x"] + names.bounding_box()["width"]
    for name in names.locator("text").all():
        assert name.bounding_box()["x"] + name.bounding_box()["width"] <= right + 1, name.text_content()
    page.locator("select.layer").select_option("error")
    hits = (pixels(page, "ghost") == (240, 228, 66)).all(-1).sum()  # against the image it still sees
    assert hits == int(((untouched.trajectory.logits[7, 0].argmax(0) > 0) & (first[0] > 0)).sum())
    page.locator("select.layer").select_option("probability")
    chip = page.locator(".chips button").filter(has_text="t = 3").last
    before = run_id(page)
    chip.click()
    another_run(page, before)
    assert shows(page, "run", shape(reference("grouping-feedback", image=2, do=done[:-1]), 7))
    before = run_id(page)
    page.get_by_role("button", name="Take back every intervention").click()
    another_run(page, before)
    assert page.locator(".panel.ghost").count() == 0 and page.locator(".marks span").count() == 0
    assert page.faults == []


@pytest.mark.thorough
def test_painting_and_erasing_with_the_pointer(open_page):
    page = open_page("?task=grouping&image=2&t=7")
    for name, kind in (("Wipe the state", "erase"), ("Paint into the feedback neurons", "paint v")):
        tool = page.locator(".acts").get_by_role("button", name=name)
        tool.click()
        box = page.locator(".panel.run canvas").bounding_box()
        before, masks = run_id(page), pixels(page, "run")
        page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + box["height"] * 0.2)
        page.mouse.down()
        page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + box["height"] * 0.5, steps=5)
        page.mouse.up()
        another_run(page, before)
        page.mouse.move(5, 5)
        assert page.locator(".chips").get_by_text(kind).count() == 1
        if kind == "erase":
            changed = (pixels(page, "run") != masks).any(-1)
            assert changed[16:22, 43].all() and not changed[:, :40].any()
        page.locator(".acts").get_by_role("button", name=name).click()  # put the tool down
    assert page.faults == []


@pytest.mark.thorough
def test_clear_all_and_the_most_that_is_allowed(open_page):
    items = "~".join(f"perturb,t:{t}" for t in range(1, 13))
    page = open_page(f"?task=grouping&do={items}&t=2")
    assert page.locator(".chips").get_by_text("At most 12").count() == 1
    assert page.locator(".acts").get_by_role("button", name="Add noise to every neuron").is_disabled()
    before = run_id(page)
    page.get_by_role("button", name="Take back every intervention").click()
    another_run(page, before)
    assert page.locator(".chips button").count() == 0


# ---- drawing ------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_drawing_with_undo_clear_stamps_and_way_back(open_page):
    page = open_page("?sigma=0.2")
    page.get_by_role("button", name="Draw the clean image").click()
    tools = page.locator(".draw-tools")
    before = run_id(page)
    tools.get_by_role("button", name="Start from an empty image").click()
    another_run(page, before)
    empty = (pixels(page, "truth") == LUT[0]).all()
    assert empty
    tools.get_by_role("button", name="Stamp a circle").click()
    box = page.locator(".panel.input canvas").bounding_box()
    before = run_id(page)
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    another_run(page, before)
    page.mouse.move(5, 5)  # no crosshair in the pictures that are compared
    disc = (pixels(page, "truth") == LUT[255]).all(-1)
    assert disc[32, 32] and 0.1 < disc.mean() < 0.15
    go(page, 10)
    assert "F1 0.9" in page.locator(".panel.run figcaption").inner_text()  # and the models answer it
    tools.get_by_role("button", name="Draw", exact=True).click()
    before = run_id(page)
    page.mouse.move(box["x"] + 10, box["y"] + 10)
    page.mouse.down()
    page.mouse.move(box["x"] + 10, box["y"] + 100, steps=2)
    page.mouse.up()
    another_run(page, before)
    assert (pixels(page, "truth") == LUT[255]).all(-1).sum() > disc.sum() + 20
    before = run_id(page)
    tools.get_by_role("button", name="Take back the last stroke").click()
    another_run(page, before)
    assert ((pixels(page, "truth") == LUT[255]).all(-1) == disc).all()
    again = open_page(page.evaluate("location.search"))
    assert ((pixels(again, "truth") == LUT[255]).all(-1) == disc).all()
    before = run_id(page)
    tools.get_by_role("button", name="Drop the drawing").click()
    another_run(page, before)
    page.wait_for_function("!location.search.includes('drawing')")
    assert page.faults == []


def test_a_click_or_the_keyboard_moves_the_cue(open_page):
    page = open_page("?task=grouping&image=2")
    truth = pixels(page, "truth")
    before = run_id(page)
    page.mouse.click(*place(page, "input", 5, 5))
    another_run(page, before)
    asked = pixels(page, "truth")
    assert not (asked == truth).all() and (asked[5, 5] == LUT[255]).all()
    assert page.locator(".cue-note").is_hidden()
    page.wait_for_function("location.search.includes('cue=')")
    page.mouse.move(5, 5)
    page.locator(".panel.input canvas").focus()
    before = run_id(page)
    page.keyboard.press("ArrowUp")  # from the middle, one up
    page.keyboard.press("Enter")
    another_run(page, before)
    page.wait_for_function("decodeURIComponent(location.search).includes('cue=[23,24]')")
    # there it stands on background
    assert "click a region of the input" in page.locator(".cue-note").inner_text()
    assert page.faults == []


# ---- phone --------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_phone_has_no_sideways_scroll_and_two_pictures_in_a_row(open_page):
    page = open_page("?lesson=erase&layer=error", width=390, height=844, has_touch=True)
    wide = page.evaluate(
        """() => [...document.querySelectorAll('[data-testid=stMain] *')].filter(e => {
            const box = e.getBoundingClientRect();
            return box.width && box.right > innerWidth + 1 && !e.closest('pre, [data-testid=stSidebar]');
        }).map(e => e.className)"""
    )
    assert wide == []
    inside = page.locator(".player").evaluate(
        """root => [...root.querySelectorAll('*')].filter(e => {
            const box = e.getBoundingClientRect();
            return box.width && (box.right > innerWidth + 1 || box.left < -1) && !e.closest('.film, svg');
        }).map(e => e.className)"""
    )
    assert inside == []
    boxes = [page.locator(".panel canvas").nth(i).bounding_box() for i in range(4)]
    assert boxes[0]["y"] == pytest.approx(boxes[1]["y"], abs=1) and boxes[2]["y"] > boxes[0]["y"]
    page.locator(".transport .back").tap()
    assert step(page) == 19
    assert page.faults == []


@pytest.mark.slow
def test_a_finger_draws_and_moves_what_stands_in_the_sidebar_below_the_masks(open_page):
    page = open_page("?sigma=0.2", width=390, height=844, has_touch=True)
    page.wait_for_selector(".player[data-engine=true]")
    page.get_by_test_id("stExpandSidebarButton").tap()
    page.wait_for_selector("[data-testid=stSidebar][data-collapsed=false]")
    hold_in_the_sidebar(page, "explore-eigenvalue", 40)
    page.wait_for_selector(".player[data-made*=eigenvalue]")
    sidebar, shown = page.get_by_test_id("stSidebar"), page.locator(".panel canvas").nth(1)
    tops = [one.bounding_box()["y"] for one in (sidebar, shown)]
    assert tops[0] > 400 and 0 < tops[1] < tops[0] - shown.bounding_box()["height"]
    before = run_id(page)
    page.mouse.up()
    another_run(page, before)
    page.get_by_test_id("stSidebarCollapseButton").get_by_role("button").tap()
    page.wait_for_selector("[data-testid=stSidebar][data-collapsed=true]", state="attached")
    page.get_by_role("button", name="Draw the clean image").tap()
    page.get_by_role("button", name="Stamp a square").tap()
    before = run_id(page)
    page.locator(".panel.input canvas").tap(position={"x": 40, "y": 120})
    another_run(page, before)
    truth = (pixels(page, "truth") == LUT[255]).all(-1)
    assert truth[40:46, 12:16].all()


def test_make_batch_is_what_the_reference_draws():
    """The reference of these tests is the library's own batch, so that both are held to the same images."""
    _, card = load("shapes-feedback")
    assert torch.equal(draw(card.task, 0, 0).x, make_batch(card.task, 1, 0).x)
    assert rollout(load("shapes-feedback")[0], draw(card.task, 0, 0).x, 2).h.shape[0] == 3


@pytest.mark.thorough
def test_text_contrast_is_AA_in_either_theme(open_page):
    page = open_page("?lesson=erase&layer=error")
    page.get_by_text("What it costs").click()
    page.locator(".panel.run canvas").hover()
    ground = "getComputedStyle(document.querySelector('.stApp')).backgroundColor"
    before = page.evaluate(ground)
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        if theme == "dark":
            page.wait_for_function(f"before => {ground} !== before", arg=before)
        eventually(lambda: page.evaluate(CONTRAST), lambda faults: faults == [])


@pytest.mark.slow
def test_focus_survives_what_it_sets_off(open_page):
    page = open_page("?task=grouping&t=3")
    focused = (
        "document.activeElement.shadowRoot?.activeElement?.textContent ?? document.activeElement.textContent"
    )
    page.locator(".acts").get_by_role("button", name="Cut the loop").focus()
    before = run_id(page)
    page.keyboard.press("Enter")
    another_run(page, before)
    assert page.evaluate(focused) == "Close the loop"
    before = run_id(page)
    page.keyboard.press("Enter")
    another_run(page, before)
    assert page.evaluate(focused) == "Cut the loop"
    page.locator(".acts").get_by_role("button", name="Wipe the state").click()
    page.locator(".panel.run canvas").focus()  # and a stroke by keyboard leaves its panel in focus
    before = run_id(page)
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    another_run(page, before)
    page.keyboard.press("ArrowUp")
    page.locator(".pixel-text").get_by_text("row 22, column 24").wait_for()
