import html
import json
import re
import time
from urllib.parse import parse_qsl, urlsplit

import driven
import pytest
from driven import sound
from streamlit.delta_generator import DeltaGenerator

from fbseg_core.experiments import EXPERIMENTS
from fbseg_core.experiments.records import UNRECORDED, path_of, read, related
from pages import menu
from pages.evidence import links
from pages.evidence.figures import listed
from pages.evidence.links import WAYS
from pages.evidence.state import EvidenceState
from pages.explore.run import scene_of
from pages.explore.state import ExploreState
from pages.few_shot.state import FewShotState, check
from pages.stability.state import StabilityState, variants_of
from pages.ui import models, shipped
from pages.ui.notices import plain

pytestmark = pytest.mark.xdist_group("evidence-pages")  # the intervals are worked out once
SHIPPED = [name for name in EXPERIMENTS if path_of(name, "full").exists()]


def app(**query):
    return driven.app("pages/evidence/page.py", **query)


def overview(at):
    """The table on top: title -> answer, verdict, seeds."""
    body = next(e.proto.body for e in at.get("html") if "evidence" in e.proto.body)
    rows = [re.findall(r"<td>(.*?)</td>", row) for row in body.split("<tr>")[2:]]
    return {re.sub("<.*?>", "", row[0]): [re.sub("<.*?>", "", cell) for cell in row[1:]] for row in rows}


def test_the_table_names_every_claim_with_the_verdict_that_its_rows_give():
    at = app()
    found = overview(at)
    assert list(found) == [experiment.title for experiment in EXPERIMENTS.values()]
    for name in SHIPPED:
        head, rows = read(path_of(name, "full"))
        brief, verdict, seeds = found[EXPERIMENTS[name].title]
        finding = EXPERIMENTS[name].conclude(rows, related(EXPERIMENTS[name], "full"))
        assert (html.unescape(brief), verdict) == (finding.brief, finding.verdict)
        texts = [m.value for m in at.markdown]
        assert f"**{finding.brief}** {finding.because}" in texts
        assert not finding.points or listed(finding) in texts
        assert int(seeds.split()[0]) == len({row.settings["seed"] for row in rows}) >= 8
        assert any(head["command"] in code.value for code in at.code)
        unknown = [row for row in rows if not row.code]
        words = f"all {UNRECORDED}" if len(unknown) == len(rows) else f"{len(unknown)} {UNRECORDED}"
        assert not unknown or any(f"{len(rows)} cells, " in c.value and words in c.value for c in at.caption)
    charts = at.get("plotly_chart")
    assert len(charts) == len(SHIPPED)
    assert all(json.loads(chart.proto.config) == {"displayModeBar": False} for chart in charts)


def test_a_first_visitor_sees_how_far_the_verdicts_are(monkeypatch):
    told, measured = [], shipped.measured
    monkeypatch.setattr(shipped, "measured", lambda name: time.sleep(0.05) or measured(name))
    monkeypatch.setattr(DeltaGenerator, "progress", lambda self, share, text: told.append((share, text)))
    at = app(v="1", claim="limit")
    assert len(overview(at)) == len(EXPERIMENTS) and len(at.subheader) == 1
    shares = [share for share, _ in told]
    assert shares[0] > 0 and shares == sorted(set(shares)) and shares[-1] < 1
    assert told[-1][1] == f"Verdicts from the rows: {len(EXPERIMENTS) - 1} of {len(EXPERIMENTS)}"


def test_cards_of_the_papers_protocol_say_which_polygons_were_drawn():
    told = [name for name in SHIPPED if shipped.shown(name).corners]
    assert {"fewshot", "noise", "convergence", "ablation", "ladder"} <= set(told)
    words = "polygons were drawn with corners not jittered; the authors' generator jitters them."
    assert sum(words in caption.value for caption in app().caption) == len(told)


def test_a_result_that_does_not_ship_is_told_with_the_command_that_makes_it(monkeypatch, tmp_path):
    shipped.measured.clear()
    shipped.result.clear()
    monkeypatch.setattr(shipped, "FOLDER", tmp_path)
    try:
        at = app()
        assert {row[1] for row in overview(at).values()} == {"no result here"}
        assert any("experiment fewshot --profile full" in code.value for code in at.code)
        assert not at.get("plotly_chart")
    finally:
        shipped.measured.clear()
        shipped.result.clear()


@pytest.mark.thorough
def test_one_card_and_one_chart_can_be_linked():
    at = app(v="1", claim="noise", charts='["noise.3"]')
    assert [s.value for s in at.subheader] == [EXPERIMENTS["noise"].title]
    assert len(overview(at)) == len(EXPERIMENTS)  # the table stays whole
    box = next(s for s in at.selectbox if s.label == "Chart")
    assert box.value == 3
    first = json.loads(at.get("plotly_chart")[0].proto.spec)["data"]
    box.select(0)
    sound(at.run())
    assert json.loads(at.get("plotly_chart")[0].proto.spec)["data"] != first
    assert "charts" not in at.query_params
    at.selectbox[0].select("")
    assert len(sound(at.run()).subheader) == len(EXPERIMENTS)


@pytest.mark.parametrize(
    "query",
    [
        pytest.param({"claim": "nothing"}, marks=pytest.mark.slow),
        *(
            pytest.param(query, marks=pytest.mark.thorough)
            for query in ({"charts": '["Noise.1"]'}, {"charts": "[1"}, {"x": "1"})
        ),
    ],
)
def test_a_link_that_cannot_be_read_gives_the_whole_page_and_one_sentence(query):
    at = app(v="1", **query)
    assert len(at.warning) == 1 and len(at.subheader) == len(EXPERIMENTS)


def test_a_chart_that_is_not_there_shows_the_last():
    at = app(v="1", charts='["fewshot.99"]')
    panels = shipped.shown("fewshot").panels
    assert next(s for s in at.selectbox if s.label == "Chart").value == len(panels) - 1


EXACT = {
    "fewshot": 3, "noise": 1, "ladder": 1, "transfer": 2, "real": 4, "help": 1, "limit": 1, "scale": 1,
}  # how many of a card's links open a setting that its rows have  # fmt: skip
NAMED = {  # what the other links' words must name; the shipped models are of another training
    "noise": ["600 updates, not 120"],
    "convergence": ["τ = 2, not 0.2", "600 updates, not 100", "trained at paper sigma 8, not 4"],
    "ablation": ["T = 10, not 30", "τ = 2, not 0.2", "600 updates, not 100"],
    "ladder": ["loop switched off at inference, not trained without", "600 updates, not 20"],
    "grouping": ["images of 48 px, not 24 px", "2000 updates, not 400"],
    "halting": ["images of 48 px, not 24 px", "2000 updates, not 300", "600 updates, not 120"],
    "limit": ["10 examples, not fresh ones"],
}


@pytest.mark.parametrize("name", SHIPPED)
def test_a_link_opens_what_the_card_has_or_says_how_it_differs(name):
    rows = read(path_of(name, "full"))[1]
    found = links.told(name, rows, models.cards())
    assert sum(not way.differs for way in found) == EXACT.get(name, 0)
    told = "; ".join(text for way in found for text in way.differs)
    assert all(phrase in told for phrase in NAMED.get(name, []))
    assert "other mechanisms" not in told
    at = app(v="1", claim=name)
    captions = {caption.value: caption.proto.help for caption in at.caption}
    for way in found:
        line, further = plain(way.told), captions[plain(way.told)]
        assert all(plain(text) in (further if text in way.further else line) for text in way.differs)
        assert len(line) < 300 and len(way.further) != 1
    assert [caption.value for caption in at.caption].count("The card's setting.") == EXACT.get(name, 0)


def test_every_experiment_leads_into_a_lab_with_settings_that_it_can_show():
    assert WAYS.keys() == EXPERIMENTS.keys()
    for name in EXPERIMENTS:
        assert WAYS[name]
        for way in WAYS[name]:
            assert len(way.label) <= 46  # a phone cuts off what is longer
            parts = urlsplit(menu.link(way.screen, **way.state))
            query = dict(parse_qsl(parts.query))
            if parts.path == "./explore":
                scene_of(ExploreState.from_link(query, {}), models.cards())
            elif parts.path == "./stability":
                variants_of(StabilityState.from_link(query, {}), models.cards())
            else:
                assert parts.path == "./few_shot"
                check(FewShotState.from_link(query, {}))


def test_the_view_keeps_one_chart_for_each_card():
    view = EvidenceState().with_chart("noise", 2).with_chart("fewshot", 1).with_chart("noise", 1)
    assert view.chart("noise") == 1 and view.chart("fewshot") == 1 and view.chart("help") == 0
    assert view.with_chart("noise", 0).with_chart("fewshot", 0) == EvidenceState()
