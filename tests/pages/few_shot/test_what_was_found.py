"""What the Few-shot lab tells of our own measurement, from the rows that ship."""

import pytest
from driven import sound
from streamlit.testing.v1 import AppTest

from pages.ui import shipped


def test_the_table_ends_at_feedback_and_the_verdict_is_the_cards():
    def page():
        from pages.few_shot.comparisons import say_what_was_found

        say_what_was_found(True)

    at = sound(AppTest.from_function(page, default_timeout=60).run())
    table = at.table[0].value
    first, *_, last = table.to_dict("records")
    assert first["model"] == "feedforward" and last["model"] == "feedback"
    assert last["minus feedback"] == "–" and first["batch statistics"] != "–"
    finding = shipped.measured("ladder").finding
    assert any(f"Verdict: **{finding.verdict}**" in text.value for text in at.markdown)
    assert any("after 20 updates" in text.value for text in at.markdown)
    assert any("over seeds and images" in caption.value for caption in at.caption)


@pytest.mark.xdist_group("few-shot")
def test_it_is_open_once_a_run_has_ended(trained):
    found = next(box for box in trained.expander if box.label.startswith("What we found"))
    assert found.proto.expanded
    assert not any("A puzzle" in text.value for text in trained.markdown)
