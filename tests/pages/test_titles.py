"""A visitor's own models are called by what they are, wherever they are read."""

import dataclasses
import re
import time
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from driven import app, sound

from fbseg_core import load
from pages.jobs.shares import Share
from pages.ui import models, own_models

pytestmark = pytest.mark.xdist_group("few-shot")  # whose checkpoints lie in one folder
NOON = datetime(2024, 3, 1, 12, 5, tzinfo=UTC).timestamp()


def kept(kind="feedback", called="feedback", how="trained", at=NOON, weight=0.0, **train):
    """A checkpoint that ships, kept as a visitor's own."""
    model, card = load(f"shapes-{kind}")
    next(model.parameters()).data[0] += weight
    card = dataclasses.replace(card, train=card.train.replace(**{"examples": 2, "seed": 3} | train))
    return own_models.keep(model, card, own_models.Note(called, how, at))[0]


def title(name, zone=UTC):
    return own_models.titles([name], models.cards(), zone)[name]


def test_a_model_is_called_by_what_it_is_and_when_it_came(jobs):
    assert title(kept()) == "feedback, 2 examples, seed 3, trained 01 Mar 2024 12:05"
    assert title(kept(), ZoneInfo("Asia/Tokyo")).endswith("01 Mar 2024 21:05")
    ablation = kept("feedforward", called="feedforward + more updates", examples=1, at=time.time())
    assert re.fullmatch(r"feedforward \+ more updates, 1 example, seed 3, trained \d\d:\d\d", title(ablation))
    assert title(kept(how="brought", seed=8)).startswith("feedback, 2 examples, seed 8, brought ")
    assert title("shapes-feedback") == "shapes-feedback"


def test_the_same_model_keeps_its_time_and_one_from_before_there_were_notes_has_none(jobs):
    name = kept()
    assert kept(at=NOON + 3600) == name and "12:05" in title(name)
    own_models.path_of(name).with_suffix(".json").unlink()
    assert title(name) == "feedback, 2 examples, seed 3"


def test_those_that_would_read_alike_are_told_apart(jobs):
    names = [kept(seed=5), kept(seed=5, weight=0.1), kept(seed=6)]
    told = own_models.titles(names, models.cards(), UTC)
    assert len(set(told.values())) == 3
    assert told[names[0]] == f"{title(names[0])} · {names[0][-16:][:4]}"
    assert told[names[2]] == title(names[2])


def test_the_oldest_go_with_their_notes(jobs, monkeypatch):
    name = kept(seed=11)
    monkeypatch.setattr(own_models, "EACH", Share(1, 2**30))
    kept(seed=12)
    path = own_models.path_of(name)
    assert not path.exists() and not path.with_suffix(".json").exists()


@pytest.mark.parametrize("page, query", [("explore", {}), ("stability", {"T": "8"})])
def test_no_screen_shows_a_digest_in_place_of_a_model(jobs, page, query):
    model, comparison = kept(), kept("feedforward", called="feedforward")
    query |= {"model": model} | ({"comparison": comparison} if page == "explore" else {})
    opened = {"explore-files": True, "stability-files": True}
    at = sound(app(f"pages/{page}/page.py", opened, **query))
    assert not at.warning
    address = next(code.value for code in at.code if "model=" in code.value)
    read = [*(box.options for box in at.selectbox), *(text.value for text in (*at.caption, *at.markdown))]
    read += [table.value.to_string() for table in at.table]
    read += [code.value for code in at.code if code.value != address]
    assert "mine:" not in str(read) and "mine%3A" in address
    assert title(model) in str(read) and (page != "explore" or title(comparison) in str(read))
    assert own_models.loadable(model) in str(read)  # by which the file that was taken along is read


def test_a_link_to_a_model_that_is_gone_names_no_digest(jobs):
    at = app("pages/explore/page.py", model="mine:feedback-0123456789abcdef")
    assert "not kept here" in at.warning[0].value and "mine:" not in at.warning[0].value
