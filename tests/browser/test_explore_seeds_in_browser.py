"""Another seed of image or noise in Explore: the browser shows its run at once, the server then the same."""

import pytest
from explorer import another_run, go, reference, run_id, settle, shape, shows, step
from served import eventually, hold_in_the_sidebar
from test_explore_at_once_in_browser import frozen, made, mask_of, masked, moved, press
from test_explore_followed_in_browser import KEEP_BACK, WITHOUT

from fbseg_core.rollout.interventions import Flip, Swap

pytestmark = pytest.mark.browser

ALONE = ("input", "run", "comparison", "truth")  # what is on show where nothing was done to the run


def opened(open_page, query, **options):
    """The page once the images that its buttons go over to have come."""
    page = open_page(query, **options)
    page.wait_for_selector(".player[data-engine=true]")
    page.wait_for_function("globalThis.fbsegOffered?.size >= 3")
    return page


def new(page, field):
    page.locator(f".st-key-next-{field}").get_by_role("button", name="New").first.click()


def seed(page, field):
    """What its slider shows."""
    return int(page.locator(f".st-key-explore-{field} input").input_value())


def answered(page, before, named):
    """Let the server answer; the address then names what was asked for."""
    page.evaluate("letGo()")
    another_run(page, before)
    page.wait_for_function(f"location.search.includes('{named}')")
    settle(page)
    assert page.locator(".player.ahead").count() == 0


# What the run's panel shows from now on, frame by frame.
WATCH = """canvas => {
    const shown = window.shown = new Set();
    const look = () => {
        shown.add(canvas.toDataURL());
        if (window.shown === shown) requestAnimationFrame(look);
    };
    look();
}"""


def watch(page):
    page.locator(".panel.run canvas").evaluate(WATCH)


def shown(page):
    """How many different pictures there were since."""
    return page.evaluate("() => { const { size } = window.shown; window.shown = null; return size; }")


def same(page, panel, mask):
    return (masked(page, panel) == mask).mean() > 0.999


def test_new_noise_and_new_images_show_at_once_and_no_pixel_changes_when_the_server_answers(open_page):
    page = opened(open_page, "?task=grouping&image=2&layer=mask&do=swap,t:4,seed:9~flip,t:6&t=10")
    done = (Swap(t=4, seed=9), Flip(t=6))
    before, truth = run_id(page), masked(page, "truth")
    page.evaluate(KEEP_BACK)
    new(page, "noise")
    made(page, '{"noise":1}')
    assert run_id(page) == before and step(page) == 10
    want = reference("grouping-feedback", image=2, noise=1, do=done)
    assert same(page, "run", mask_of(want, 10)) and (masked(page, "truth") == truth).all()
    assert same(page, "ghost", mask_of(reference("grouping-feedback", image=2, noise=1), 10))
    held = frozen(page)
    answered(page, before, "noise=1")
    assert moved(held, frozen(page)) == [] and seed(page, "noise") == 1
    # of quick presses none is lost
    before = run_id(page)
    page.evaluate(KEEP_BACK)
    for _ in range(3):
        new(page, "image")
    made(page, '"image":5')
    want = reference("grouping-feedback", image=5, noise=1, do=done)
    for t in (10, 3):
        go(page, t)
        assert same(page, "run", mask_of(want, t))
        assert (masked(page, "truth") == (want.labels[t, 0] > 0).numpy()).all()
    assert run_id(page) == before
    held = frozen(page)
    watch(page)
    answered(page, before, "image=5")
    assert moved(held, frozen(page)) == [] and shown(page) == 1
    assert (seed(page, "image"), seed(page, "noise")) == (5, 1)
    assert page.faults == []


def test_an_image_that_only_the_server_has_waits_for_it_and_what_is_on_show_stays(open_page):
    page = opened(open_page, "?task=grouping&image=2&layer=mask")
    before = run_id(page)
    page.evaluate(KEEP_BACK)
    for _ in range(3):
        new(page, "image")
    made(page, '"image":5')
    held = frozen(page, ALONE)
    new(page, "image")
    page.wait_for_timeout(500)
    assert moved(held, frozen(page, ALONE)) == [] and run_id(page) == before
    assert page.locator(".busy").is_visible()
    watch(page)
    answered(page, before, "image=6")
    assert shown(page) == 2
    want = reference("grouping-feedback", image=6)
    assert (masked(page, "run") == mask_of(want, 10)).all() and seed(page, "image") == 6
    assert page.faults == []


def test_a_second_swap_shows_before_the_first_is_answered(open_page):
    page = opened(open_page, "?task=grouping&image=2&layer=mask&t=3")
    before = run_id(page)
    page.evaluate(KEEP_BACK)
    for t in (3, 6):
        go(page, t)
        press(page, "Show the model another image")
    made(page, '"t":6,"kind":"swap","seed":4')
    want = reference("grouping-feedback", image=2, do=(Swap(t=3, seed=3), Swap(t=6, seed=4)))
    for t in (5, 10):
        go(page, t)
        assert same(page, "run", mask_of(want, t))
        assert (masked(page, "truth") == (want.labels[t, 0] > 0).numpy()).all()
    held = frozen(page)
    answered(page, before, "seed%3A4")
    assert moved(held, frozen(page)) == [] and page.faults == []


def test_a_seed_s_slider_is_followed_and_elsewhere_the_server_answers(open_page):
    page = opened(open_page, "?layer=probability")
    before = run_id(page)
    noise = int(hold_in_the_sidebar(page, "explore-noise", 40))
    made(page, f'{{"noise":{noise}}}')
    assert noise > 3 and shows(page, "run", shape(reference("shapes-feedback", noise=noise), 10))
    assert run_id(page) == before  # the hand still holds it
    held = frozen(page, ALONE)
    page.mouse.up()
    another_run(page, before)
    page.wait_for_function(f"location.search.includes('noise={noise}')")
    assert page.locator(".player.ahead").count() == 0 and moved(held, frozen(page, ALONE)) in ([], ["film"])
    # the next image is there; and one far from it is not
    before = run_id(page)
    page.evaluate(KEEP_BACK)
    page.locator(".st-key-explore-image input").focus()
    page.keyboard.press("ArrowRight")
    made(page, '{"image":1}')
    assert shows(page, "run", shape(reference("shapes-feedback", image=1, noise=noise), 10))
    answered(page, before, "image=1")
    before, held = run_id(page), frozen(page, ALONE)
    image = int(hold_in_the_sidebar(page, "explore-image", 60))
    page.wait_for_timeout(500)
    assert (
        image > 10 and moved(held, frozen(page, ALONE)) == [] and page.locator(".player.ahead").count() == 0
    )
    page.mouse.up()
    another_run(page, before)
    assert shows(page, "run", shape(reference("shapes-feedback", image=image, noise=noise), 10))
    assert page.faults == []


@pytest.mark.slow
def test_a_new_image_takes_off_the_drawing_and_the_way_back_leads_to_it(open_page):
    page = opened(open_page, "?lesson=unlearned-size&layer=mask")
    back = page.get_by_role("button", name="Drop the drawing")
    drawn, before = masked(page, "truth"), run_id(page)
    assert back.count() == 1
    page.evaluate(KEEP_BACK)
    new(page, "image")
    made(page, '"drawing":""')
    want = reference("shapes-feedback", image=seed(page, "image") + 1, noise=seed(page, "noise"))
    assert (masked(page, "truth") == (want.labels[0, 0] > 0).numpy()).all() and back.count() == 0
    assert page.locator(".panel.input figcaption").inner_text().startswith("Input")
    answered(page, before, "drawing=&")
    assert (masked(page, "truth") == (want.labels[0, 0] > 0).numpy()).all()
    page.go_back()
    eventually(lambda: (masked(page, "truth") == drawn).all())
    settle(page)
    assert back.count() == 1 and page.locator(".player.ahead").count() == 0 and page.faults == []


@pytest.mark.slow
@pytest.mark.parametrize("task", ["digits", "textures"])
def test_images_of_many_classes_show_at_once(open_page, task):
    page = opened(open_page, f"?task={task}&image=21&layer=mask")
    before = run_id(page)
    page.evaluate(KEEP_BACK)
    new(page, "image")
    made(page, '"image":22')
    new(page, "noise")
    made(page, '"noise":1')
    held = frozen(page, ALONE)
    answered(page, before, "noise=1")
    # one pixel of a thousand may lie on the edge of two classes
    now = frozen(page, ALONE)
    assert {part for part in moved(held, now)} <= {"run", "comparison", "film", "words"}
    for panel in ("run", "comparison"):
        differ = sum(a != b for a, b in zip(held[panel], now[panel])) / len(now[panel])
        assert differ < 1e-3, panel
    assert (seed(page, "image"), seed(page, "noise")) == (22, 1) and page.faults == []


@pytest.mark.slow
def test_without_an_engine_new_is_streamlit_s_and_a_presentation_has_none(open_page):
    page = open_page("?layer=probability", init=WITHOUT)
    page.wait_for_selector(".engine-note:not([hidden])")
    before = run_id(page)
    new(page, "image")
    another_run(page, before)
    page.wait_for_function("location.search.includes('image=1')")
    assert shows(page, "run", shape(reference("shapes-feedback", image=1), 10)) and seed(page, "image") == 1
    hall = opened(open_page, "?presented=true&task=grouping&layer=mask&t=6")
    assert hall.locator(".st-key-next-image").count() == 0
    hall.evaluate(KEEP_BACK)
    press(hall, "Show the model another image")
    made(hall, '"swap"')
    assert page.faults == [] and hall.faults == []
