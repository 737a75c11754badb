"""What is sent by a stranger takes little memory on the way, and none is kept of it."""

import io
import sys

import pytest
from refusals import peak_within, resident, sentence_of
from sent_links import damaged, open_link
from sent_pictures import IMAGES, MASK, MASKS, SOUND
from test_hostile_checkpoints import REFUSED as CHECKPOINTS
from test_hostile_checkpoints import TAKEN, file_of
from test_hostile_requests import LIMITS, ODD, spec
from test_hostile_requests import REFUSED as REQUESTS
from test_hostile_zips import OWNER, ZIPS

from fbseg_core.config import ShapesConfig
from fbseg_core.tasks import archive
from pages.few_shot import uploads
from pages.jobs import Spec
from pages.ui import own_images, own_models

TASK, MB = ShapesConfig(), 2**20


def images(home):
    for content in IMAGES.values():
        yield lambda content=content: uploads.example(TASK, content, MASK)
    for content in MASKS.values():
        yield lambda content=content: uploads.example(TASK, SOUND, content)


def checkpoints(home):
    for make in CHECKPOINTS.values():
        yield lambda make=make: own_models.bring(make(home), "me")
    for card in TAKEN.values():
        yield lambda card=card: own_models.bring(file_of(home, **card).read_bytes(), "me")


def links(home):
    for screen, link in damaged(300, 2):
        yield lambda screen=screen, link=link: open_link(screen, link)


def requests(home):
    for made in REQUESTS.values():
        yield lambda made=made: made.check(LIMITS)
    plain = spec().plain()
    for key in ("task", "runs"):
        for odd in ODD:
            yield lambda key=key, odd=odd: Spec.parse(plain | {key: odd}).check(LIMITS)


def zips(home):
    for make, _ in ZIPS.values():
        yield lambda make=make: own_images.keep(OWNER, io.BytesIO(make()))


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is read from /proc")
@pytest.mark.parametrize("table", [images, checkpoints, links, requests, zips])
def test_no_memory_is_kept_of_a_table_and_little_is_taken_on_the_way(table, tmp_path, monkeypatch):
    monkeypatch.setenv("FBSEG_JOBS", str(tmp_path / "jobs"))
    monkeypatch.setattr(archive, "MOST_UNPACKED", 4 * MB)
    before = resident()
    with peak_within(before + 250 * MB):  # the largest zip alone has 50 MB, and is there twice
        for act in table(tmp_path):
            sentence_of(act)
    assert resident() - before < 50 * MB
