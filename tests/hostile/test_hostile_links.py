"""Links of a stranger: shown, or refused in one sentence, before anything is computed."""

import json

import pytest
import torch
from refusals import sentence_of
from sent_links import SCREENS, TEXTS, open_link

from fbseg_core import ConfigError
from fbseg_core.tasks import Content
from pages.few_shot import state as few_shot
from pages.few_shot.state import FewShotState
from pages.ui.link import LONGEST

FIELDS = [(screen, field) for screen, (kind, *_) in SCREENS.items() for field in kind.model_fields]


@pytest.mark.parametrize("screen", SCREENS)
def test_the_links_that_are_damaged_here_are_sound(screen):
    for link in SCREENS[screen][2]:
        SCREENS[screen][0].from_link(link, {})


@pytest.mark.parametrize("screen, field", FIELDS)
def test_whatever_stands_in_a_field_is_taken_or_refused_in_one_sentence(screen, field):
    for text in TEXTS:
        sentence_of(lambda text=text: open_link(screen, {field: text}))


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize(
    "link, word",
    [
        ({"v": "2"}, "version"),
        ({"x" * 400_000: "1"}, "longer"),
        ({"lesson": "x" * 100_000}, "longer"),
        ({"<script>": "1"}, "does not know"),
        ({"lesson": "![x](http://e.org)"}, "no lesson"),
    ],
)
def test_what_no_link_has_is_refused(screen, link, word):
    said = sentence_of(lambda: open_link(screen, link))
    assert word in said and "cut here" not in said


def test_nesting_is_refused_before_it_is_read():
    for deep in (9, 977, LONGEST // 2 - 10):
        with pytest.raises(ConfigError, match="cannot be read"):
            FewShotState.from_link({"own": "[" * deep + "]" * deep}, {})


UPLOAD = "0" * 32


@pytest.mark.parametrize(
    "clean, labels",
    [((2, 48, 48), 1), ((3, 64, 64), 7), ((3, 32, 64), 1), ((1, 64, 64), 1)],
    ids=["another task's", "other classes", "another size", "other channels"],
)
def test_an_upload_of_another_task_is_refused_in_one_sentence(clean, labels):
    brought = Content(torch.zeros(1, *clean), torch.full((1, *clean[1:]), labels))
    view = FewShotState(own=(f"0.u.{UPLOAD}",))
    assert "of another task" in sentence_of(lambda: few_shot.examples(view, {UPLOAD: brought}))


def test_an_upload_of_the_task_is_taken():
    brought = Content(torch.zeros(1, 3, 64, 64), torch.full((1, 64, 64), 255))
    view = FewShotState(own=json.loads(f'["0.u.{UPLOAD}"]'))
    assert few_shot.examples(view, {UPLOAD: brought}).labels[0, 0, 0] == 255
