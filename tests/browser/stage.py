"""What the browser tests of Live share: reading the stage, and the hand on it."""

import numpy as np
from served import at_rest, eventually

WOKEN = ".live[data-n]"


def step(page):
    """Steps taken so far."""
    return int(page.locator(".live").get_attribute("data-n"))


def clock(page):
    """t of the model in the large picture."""
    return int(page.locator(".live").get_attribute("data-t"))


def playing(page):
    return page.locator(".live").get_attribute("data-playing") == "true"


def until_step(page, n):
    eventually(lambda: step(page), lambda found: found >= n)


def picture(page, at=".hero"):
    """The colours of a picture, (H, W, 3), one a pixel of the image, read at its middle."""
    found = page.locator(f"{at} canvas.picture").first.evaluate(
        """canvas => {
            const small = Object.assign(document.createElement('canvas'), { width: 48, height: 48 });
            const context = small.getContext('2d');
            context.imageSmoothingEnabled = false;
            context.drawImage(canvas, 0, 0, 48, 48);
            return Array.from(context.getImageData(0, 0, 48, 48).data);
        }"""
    )
    return np.array(found).reshape(48, 48, 4)[..., :3].astype(int)


def marked(page, at=".hero"):
    """Which pixels are painted in the colour of the cued region, (H, W) bool: red above blue by far."""
    colours = picture(page, at)
    return colours[..., 0] - colours[..., 2] > 60


def place(page, row, column, at=".hero"):
    """Where a pixel of the image stands on the page, (x, y)."""
    box = page.locator(f"{at} canvas.picture").first.bounding_box()
    return box["x"] + box["width"] * (column + 0.5) / 48, box["y"] + box["height"] * (row + 0.5) / 48


def drag(page, *points):
    """Press at the first pixel (row, column), pass over the others, let go."""
    page.locator(".hero canvas.picture").scroll_into_view_if_needed()
    page.mouse.move(*place(page, *points[0]))
    page.mouse.down()
    for point in points[1:]:
        page.mouse.move(*place(page, *point), steps=8)
    page.mouse.up()


def slide(page, selector, value):
    page.locator(selector).evaluate(
        """(range, value) => {
            range.value = value;
            range.dispatchEvent(new Event('input', { bubbles: true }));
        }""",
        value,
    )


def controls(page):
    """Open what is one click away."""
    if not page.locator(".more").is_visible():
        page.locator(".all").click()


def told(page):
    """Wait until Python has heard of the set-up, and the link stands."""
    page.wait_for_timeout(900)
    at_rest(page)
