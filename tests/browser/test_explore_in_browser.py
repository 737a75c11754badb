import re

import numpy as np
import pytest
import torch
from explorer import (
    LUT,
    PINK,
    another_payload,
    another_run,
    boxes,
    go,
    near,
    payload,
    pixels,
    place,
    reference,
    run_id,
    settle,
    shape,
    shows,
    shows_soon,
    step,
    summary,
)
from served import eventually

pytestmark = pytest.mark.browser


# ---- first sight --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "task, theme", [("shapes", "light"), pytest.param("grouping", "dark", marks=pytest.mark.thorough)]
)
def test_plays_once_on_load_and_every_frame_is_the_core_s(open_page, task, theme):
    page = open_page(f"?task={task}", theme=theme, reduced_motion="no-preference")
    assert step(page) == 10 and summary(page).startswith("Step 10 of 10: F1 0.")
    want = reference(f"{task}-feedback")
    for t in range(11):
        go(page, t)
        assert shows(page, "run", shape(want, t)), t
    baseline = reference(f"{task}-feedforward", steps=1)
    assert shows(page, "comparison", shape(baseline, 1))
    assert shows(page, "truth", want.labels[0, 0] > 0)
    background = page.evaluate("getComputedStyle(document.querySelector('.stApp')).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", background)[:3])) > 380) == (theme == "light")
    assert page.faults == []


@pytest.mark.thorough
def test_reduced_motion_does_not_play_by_itself(open_page):
    page = open_page("?T=60", reduced_motion="reduce")
    assert step(page) == 60
    page.get_by_role("button", name="Play").click()  # asked for, it plays
    page.wait_for_selector(".player[data-playing=true]")


# ---- time ---------------------------------------------------------------------------------------------


@pytest.mark.thorough
def test_buttons_step_play_pause_and_stop_at_both_ends(open_page):
    page = open_page("?task=grouping")
    press = lambda name: page.locator(f".transport .{name}").click()  # noqa: E731
    assert page.locator(".transport .step").is_disabled()
    press("back")
    assert step(page) == 9 and summary(page).startswith("Step 9 of 10")
    press("step")
    assert step(page) == 10
    press("reset")
    assert step(page) == 0 and page.locator(".transport .back").is_disabled()
    page.locator(".speed").select_option("0.25")
    press("play")
    page.wait_for_selector(".player[data-t='1'][data-playing=true]")
    press("play")
    page.wait_for_selector(".player[data-playing=false]")
    stood = step(page)
    page.locator(".speed").select_option("4")
    page.wait_for_timeout(300)  # in which it would go on by four steps
    assert step(page) == stood < 10
    press("play")
    page.wait_for_selector(".player[data-t='10'][data-playing=false]")
    assert page.faults == []


@pytest.mark.thorough
def test_keys_step_from_anywhere_but_leave_focused_widgets_alone(open_page):
    page = open_page("?task=grouping")
    page.locator("h1").click()
    for key, t in (("Home", 0), ("ArrowRight", 1), ("ArrowRight", 2), ("ArrowLeft", 1), ("End", 10)):
        page.keyboard.press(key)
        assert step(page) == t, key
    page.keyboard.press("Home")
    page.keyboard.press(" ")
    page.wait_for_selector(".player[data-playing=true]")
    page.keyboard.press(" ")
    page.wait_for_selector(".player[data-playing=false]")
    go(page, 5)
    before = run_id(page)
    page.get_by_role("slider", name="Run for T").focus()
    page.keyboard.press("ArrowRight")  # moves that slider, not time
    another_run(page, before)
    assert step(page) == 5 and summary(page).startswith("Step 5 of 11")


@pytest.mark.slow
def test_time_follows_the_pointer_on_the_slider_and_jumps_to_the_step_clicked(open_page):
    page = open_page("?task=grouping")
    box = page.locator(".time").bounding_box()
    seen = []
    page.mouse.move(box["x"] + box["width"] - 8, box["y"] + box["height"] / 2)
    page.mouse.down()
    for share in np.linspace(1, 0, 30):
        page.mouse.move(box["x"] + 8 + share * (box["width"] - 16), box["y"] + box["height"] / 2)
        seen.append(step(page))
    page.mouse.up()
    assert seen[-1] == 0 and set(seen) == set(range(11))
    assert seen == sorted(seen, reverse=True)
    for width in (390, 1920, 1440):  # a frame stands above its step, and the film from end to end of the line
        page.set_viewport_size({"width": width, "height": 1100})
        for t in (0, 3, 10):
            go(page, t)
            eventually(lambda t=t: off_its_step(page, t), lambda off: off < 1)
    film, whole = (page.locator(part).bounding_box() for part in (".film", ".player"))
    assert (film["x"], film["width"]) == (whole["x"], whole["width"])
    page.mouse.click(film["x"] + film["width"] * 3.5 / 11, film["y"] + 10)
    assert step(page) == 3
    page.locator("svg.plane circle.hit").nth(6).click()
    assert step(page) == 6
    chart = page.locator("svg.over-time .hit").bounding_box()
    page.mouse.click(chart["x"] + chart["width"] * 0.2, chart["y"] + chart["height"] / 2)
    assert step(page) == 2


def off_its_step(page, t):
    """How far, in px, the film's marked frame is from the place of step t of 10 on the time line."""
    line, here = (page.locator(part).bounding_box() for part in (".time", ".here"))
    return abs(here["x"] + here["width"] / 2 - (line["x"] + 8 + (line["width"] - 16) * t / 10))


# ---- looking ------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_layers_show_what_the_core_computes(open_page):
    page = open_page("?task=grouping&t=4")
    result = reference("grouping-feedback")
    mask, truth = result.trajectory.logits[4, 0].argmax(0), result.labels[4, 0]
    choose = lambda layer: page.locator("select.layer").select_option(layer)  # noqa: E731
    choose("mask")
    assert (pixels(page, "run") == LUT[(mask * 255).numpy()]).all()
    choose("error")
    colour = {(1, 1): (240, 228, 66), (1, 0): (213, 94, 0), (0, 1): (86, 180, 233), (0, 0): (38, 44, 52)}
    want = np.array([[colour[int(m), int(y)] for m, y in zip(*rows)] for rows in zip(mask, truth)])
    assert (pixels(page, "run") == want).all()
    choose("applied")
    norms = result.trajectory.applied[:, 0].norm(dim=1)
    assert shows(page, "run", norms[3] / norms.max())
    choose("difference")
    page.locator("select.against").select_option("4")
    assert len({tuple(c) for c in pixels(page, "run").reshape(-1, 3)}) == 1  # a step minus itself
    choose("v_hat")
    settle(page)
    page.locator("select.channel").select_option(index=2)
    shows_soon(page, "run", result.trajectory.v_hat[3, 0, 2])
    assert "no v̂" in page.locator(".panel.comparison figcaption").inner_text()
    for width in (390, 800, 1440):  # however long a caption is, its row's pictures stand on one line
        page.set_viewport_size({"width": width, "height": 1100})
        eventually(lambda: pictures_stand_in_line(page))
    choose("entropy")
    probs = result.trajectory.probs[4, 0].double()
    assert shows(page, "run", -(probs * probs.log2()).sum(0))
    assert page.faults == []


def pictures_stand_in_line(page):
    """Whether panels that stand side by side hold their pictures at one height."""
    figures, pictures = ([box["y"] for box in boxes(page, at)] for at in (".panel", ".panel canvas"))
    return len(dict(zip(figures, pictures))) == len(set(zip(figures, pictures)))


@pytest.mark.thorough
def test_commit_time_counts_up_and_hatches_what_flips_now(open_page):
    page = open_page("?task=grouping&image=2&layer=commit&t=5")
    masks = reference("grouping-feedback", image=2).trajectory.logits[:, 0].argmax(1)
    last = torch.zeros_like(masks[0])
    for t in range(1, 6):
        last[masks[t] != masks[t - 1]] = t
    steady = (last != 5).numpy()
    assert near(pixels(page, "run"), last / 10)[steady].all()
    assert summary(page).endswith(f"{int((~steady).sum())} pixels still changing.")
    canvas, caption = page.locator(".panel.run canvas"), page.locator(".panel.comparison figcaption")
    assert canvas.evaluate(PINK) > 0 and "no commit time here, as its one answer" in caption.inner_text()
    go(page, 0)
    assert canvas.evaluate(PINK) == 0
    page.locator("select.layer").select_option("difference")
    assert "no difference of two steps here, as its one answer" in caption.inner_text()
    tops = page.locator(".panel canvas").evaluate_all("all => all.map(c => c.getBoundingClientRect().top)")
    assert np.ptp(tops) < 1  # side by side, however long their captions


@pytest.mark.thorough
def test_pointing_at_a_pixel_reads_it_off_in_all_panels(open_page):
    page = open_page("?task=grouping&image=2")
    result = reference("grouping-feedback", image=2)
    page.mouse.move(*place(page, "truth", 16, 43))
    text = page.locator(".pixel-text")
    text.get_by_text("row 16, column 43").wait_for()
    value = float(shape(result, 10)[16, 43])
    margin = float(result.trajectory.logits[10, 0, 1, 16, 43] - result.trajectory.logits[10, 0, 0, 16, 43])
    assert float(re.search(r"P\(shape\) ([\d.]+)", text.inner_text())[1]) == pytest.approx(value, abs=0.01)
    assert float(re.search(r"logit (-?[\d.]+)", text.inner_text())[1]) == pytest.approx(margin, abs=0.02)
    page.locator("svg.pixel-state path").nth(15).wait_for(state="attached")  # u and v: 8 + 8
    page.mouse.move(5, 5)
    text.get_by_text("Point at a pixel").wait_for()
    page.locator(".panel.run canvas").focus()  # by keyboard too
    page.keyboard.press("ArrowDown")
    text.get_by_text("row 25, column 24").wait_for()
    assert step(page) == 10


@pytest.mark.slow
def test_plane_follows_its_menus_and_sixteen_draws_are_a_cloud(open_page):
    page = open_page("?task=grouping")
    live = "svg.plane circle.point"
    assert page.locator(live).count() == 11
    before = payload(page)
    page.locator("select.what").select_option("logits")
    another_payload(page, before)
    assert page.locator("svg.plane rect:not(.hit)").count() == 1  # the comparison: one point, same space
    before = payload(page)
    page.locator("select.points").select_option("regions")
    another_payload(page, before)
    assert page.locator(live).count() == 22
    page.locator("select.view").select_option("time")
    assert "PC1" in page.locator("svg.plane").text_content() and page.locator(live).count() == 0
    before = payload(page)
    page.get_by_text("16 noise draws", exact=True).click()
    another_payload(page, before)
    assert page.locator("svg.plane path[opacity='0.3']").count() == 32
    assert page.locator("svg.over-time polygon").count() == 1
    assert "16 noise draws" in page.locator(".contraction").inner_text()
    page.wait_for_function("location.search.includes('draws=true')")
    assert page.faults == []


@pytest.mark.thorough
def test_every_curve_is_drawn(open_page):
    page = open_page("?task=grouping&lesson=late-perturbation&t=3")
    drawn = set()
    for curve in ("f1", "iou", "update", "entropy", "norms"):
        page.locator("select.curve").select_option(curve)
        paths = page.locator("svg.over-time path")
        assert paths.count() >= 2 and page.locator("svg.over-time").get_attribute("aria-label")
        assert "NaN" not in page.locator(".charts").inner_html()
        drawn.add(paths.evaluate_all("paths => paths.map(path => path.getAttribute('d')).join()"))
    assert len(drawn) == 5
    page.wait_for_function("location.search.includes('curve=norms')")
    for scale, said, even in (("log", "norm, logarithmic", np.log), ("linear", "norm, linear", np.asarray)):
        page.locator("select.scale").select_option(scale)
        assert page.locator("svg.over-time").get_by_text(said).count() == 1
        ticks = page.locator("svg.over-time .tick.end").evaluate_all(
            "ticks => ticks.map(tick => [+tick.textContent, +tick.getAttribute('y')])"
        )
        values, heights = np.array(ticks).T
        assert len(ticks) > 2 and np.ptp(np.diff(heights) / np.diff(even(values))) < 0.01
    page.wait_for_function("location.search.includes('scale=linear')")
    page.locator("select.curve").select_option("f1")
    assert not page.locator("select.scale").is_visible()


@pytest.mark.thorough
def test_a_run_that_overflows_is_drawn_as_far_as_it_came(open_page):
    page = open_page("?eigenvalue=2&T=60&tau=0.1&curve=norms")
    assert summary(page).startswith("Step 4 of 4")
    assert page.get_by_text("The run ended early").count() == 1
    page.locator(".panel.run canvas").focus()
    page.keyboard.press("ArrowDown")
    page.locator("svg.pixel-state path").first.wait_for(state="attached")
    for view in ("plane", "time"):
        page.locator("select.view").select_option(view)
        assert not re.search("NaN|Infinity", page.locator(".charts").inner_html())
        ticks = page.locator("svg.plane .tick.end").all_text_contents()
        assert len(set(ticks)) == len(ticks) > 2 and max(map(len, ticks)) < 6
        assert ", in 1e" in page.locator("svg.plane").text_content()
    assert page.faults == []


# ---- noise --------------------------------------------------------------------------------------------


@pytest.mark.thorough
def test_the_preview_is_the_input_that_the_model_gets(open_page):
    page = open_page("?sigma=0.5")
    sent = pixels(page, "input")
    page.locator(".sigma").evaluate(
        "range => { range.value = 1.5; range.dispatchEvent(new Event('input', {bubbles: true})); }"
    )
    eventually(lambda: not (pixels(page, "input") == sent).all())
    preview = pixels(page, "input")
    page.locator(".sigma").dispatch_event("change")
    page.wait_for_function("location.search.includes('sigma=1.5')")
    settle(page)
    assert abs(pixels(page, "input") - preview).max() <= 1
