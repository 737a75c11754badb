"""What a page tells of a link is plain text: nothing to click, nothing that a browser would fetch."""

import dataclasses
import re

import pytest
import torch
from checkpoint_files import CARD
from driven import PATIENCE, ROOT
from streamlit.testing.v1 import AppTest

from fbseg_core import ConfigError, save
from fbseg_core.config import ModelConfig, ShapesConfig
from fbseg_core.models.registry import build
from fbseg_core.tasks import Content
from pages.explore import computed
from pages.few_shot import kept_uploads
from pages.ui import own_models, server

pytestmark = pytest.mark.xdist_group("few-shot")  # whose jobs lie in one folder
MARKUP = "![x](http://e.org/x.png)"
LIVE = re.compile(r"(?<!\\)[\[`<]|https?://|www\.")


def opened(page, **query):
    at = AppTest.from_file(str(ROOT / f"pages/{page}/page.py"), default_timeout=PATIENCE)
    for key, value in query.items():
        at.query_params[key] = value
    return at.run()


@pytest.mark.parametrize(
    "page, field",
    [("explore", "task"), ("live", "world"), ("predictive", MARKUP), ("learn", MARKUP), ("few_shot", "task"),
     ("your_data", "source"), pytest.param("stability", "model", marks=pytest.mark.slow),
     pytest.param("evidence", "claim", marks=pytest.mark.thorough)],
)  # fmt: skip
def test_a_notice_quotes_a_link_as_plain_text(jobs, page, field):
    at = opened(page, **{field: MARKUP})
    assert not at.exception and len(at.warning) == 1
    assert "x.png" in at.warning[0].value or "e.org" in at.warning[0].value
    assert not LIVE.search(at.warning[0].value)


def test_an_error_in_a_fragment_is_told_there_too(jobs, monkeypatch):
    def impossible(scene):
        raise ConfigError(f"no image of this task can be drawn: {MARKUP}.")

    server.memo().clear()  # another test may have had it laid out
    monkeypatch.setattr(computed, "runs", impossible)
    at = opened("explore")
    assert not at.exception and "no image of this task" in at.error[0].value
    assert not LIVE.search(at.error[0].value)


def test_an_upload_of_another_task_gives_way_to_the_seeds_example(jobs):
    digest = "7" * 32
    brought = Content(torch.zeros(1, 2, 48, 48), torch.zeros(1, 48, 48).long())
    kept_uploads.kept().keep("a" * 32, digest, brought)
    at = AppTest.from_file(str(ROOT / "pages/few_shot/page.py"), default_timeout=PATIENCE)
    at.session_state["owner"] = "a" * 32
    at.query_params["own"] = f'["0.u.{digest}"]'
    at.run()
    assert not at.exception and not at.error and "stands in for it" in at.warning[0].value
    assert not at.session_state["few_shot/view"].own


def test_an_upload_is_its_visitors_alone_and_is_pushed_out_by_none_but_them():
    kept = kept_uploads.Uploads()
    small = Content(torch.zeros(1, 1, 8, 8), torch.zeros(1, 8, 8).long())
    kept.keep("a", "one", small)
    for number in range(3 * kept_uploads.EACH.count):
        kept.keep("b", str(number), small)
    assert list(kept.of("a")) == ["one"] and "one" not in kept.of("b") and not kept.of("")
    assert len(kept.of("b")) == kept_uploads.EACH.count


def test_a_slider_pulled_past_what_fits_says_so_and_stays_where_it_was(jobs, tmp_path):
    config = ModelConfig(width=1, depth=1, u=64, v=64, steps=2)
    card = dataclasses.replace(CARD, model=config, task=ShapesConfig(side=128))
    save(build(config), card, tmp_path / "large.safetensors")
    name, _ = own_models.bring((tmp_path / "large.safetensors").read_bytes(), "me")
    at = opened("explore", model=name)
    assert not at.exception and not at.error and not at.warning
    at.slider(key="explore-T").set_value(60).run()
    assert not at.exception and not at.error and "up to 6 steps fit" in at.warning[0].value
    assert at.session_state["explore/view"].T is None and at.slider(key="explore-T").value == 2
