"""Live by AppTest: it opens; a link is read, or refused in one sentence; old links of Explore go there."""

import pytest
from driven import app, sound
from received import header, payload

from fbseg_core.models.registry import traits_of
from pages import menu
from pages.explore.state import ExploreState
from pages.live import world
from pages.live.state import LiveState
from pages.ui import models

PAGE = "pages/live/page.py"


def test_it_opens_on_grouping_with_one_model_of_each_title():
    at = app(PAGE)
    told = header(at)
    assert not at.warning and not at.query_params and told["world"]["task"] == "grouping"
    titles = [model["title"] for model in told["models"]]
    assert titles == ["feedback", "leaky feedback", "loop cut", "feedforward"]
    assert told["setup"] == LiveState().model_dump(mode="json", exclude={"lesson"})
    assert any("arxiv.org/abs/2507.10143" in text.value for text in at.markdown)
    sent = sum(model["bytes"][1] for model in told["models"])
    assert sent < len(payload(at)) < 1_500_000


def test_a_link_sets_the_stage_up():
    at = app(
        PAGE, v="1", world="shapes", noise_sd="0.5", switched_off='["loop"]', covered='["truth"]', drawn="AA"
    )
    told = header(at)
    setup = told["setup"]
    assert told["world"]["task"] == "shapes" and told["world"]["cue"] is None
    assert (setup["noise_sd"], setup["switched_off"], setup["covered"]) == (0.5, ["loop"], ["truth"])
    assert header(app(PAGE, picture="77"))["world"]["pictures"][-1]["seed"] == 77


@pytest.mark.parametrize(
    "query",
    [
        {"world": "nowhere"},
        {"shown": '["shapes-feedback"]'},
        {"cue_at": "[48,3]"},
        {"noise_sd": "1e9"},
        {"switched_off": '["all"]'},
        {"drawn": "A" * 4000},
    ],
)
def test_a_link_that_cannot_be_read_gives_the_defaults_and_one_sentence(query):
    at = app(PAGE, **query)
    assert len(at.warning) == 1 and "defaults are shown" in at.warning[0].value
    assert header(at)["setup"] == LiveState().model_dump(mode="json", exclude={"lesson"})


def test_back_from_another_screen_it_opens_as_it_was_left():
    at = app(PAGE)
    before = header(at)
    assert header(sound(at.run())) == before
    at.session_state["live/view"] = LiveState(noise_sd=0.5, cue_at=(3, 4))
    after = header(sound(at.run()))
    assert after["setup"]["cue_at"] == [3, 4] and after["epoch"] == before["epoch"] + 1


def test_no_part_of_its_link_is_called_as_one_of_explore_s():
    shared = LiveState.model_fields.keys() & ExploreState.model_fields.keys()
    assert shared == {"lesson"} and not LiveState.model_fields.keys() & ExploreState.renamed.keys()


@pytest.mark.parametrize(
    "query, old",
    [
        ({}, False),
        ({"v": "1"}, False),
        ({"v": "1", "world": "shapes", "noise_sd": "1"}, False),
        ({"unknown": "1"}, False),
        ({"v": "1", "task": "grouping"}, True),
        ({"sigma": "0.5"}, True),
        ({"lesson": "erase"}, True),
        ({"beside": "grouping-loop-cut"}, True),
    ],
)
def test_a_link_of_the_bare_address_is_told_by_its_names(query, old):
    assert menu.is_of_explore(query) is old


def test_an_old_link_of_the_bare_address_opens_explore():
    at = app("app.py", v="1", task="grouping", sigma="0.4")
    sound(at.run())
    assert at.selectbox(key="explore-task").value == "grouping"
    assert (
        menu.link("explore", task="grouping") == "./explore?v=1&task=grouping" and menu.link("live") == "./"
    )


def test_the_line_up_needs_neither_decay_nor_clock():
    cards = models.cards()
    for name in world.worlds(cards):
        first = traits_of(cards[world.lineup(LiveState(world=name), cards)[0]].model)
        assert first.has_loop and first.takes_steps
