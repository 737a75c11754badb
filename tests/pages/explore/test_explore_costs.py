"""The table of what a run costs: counted, and timed."""

import pytest
from driven import explore as app
from driven import sound

from pages.explore import computed


def cells(at):
    """The table of costs: the name of a number -> that of the model, and of its comparison."""
    rows = next(table.value for table in at.table if "weights" in table.value.iloc[:, 0].tolist())
    return {row[0]: row[1:] for row in rows.values.tolist()}


def test_a_feedforward_model_is_counted_as_one_pass_and_a_run_as_all_its_steps():
    found = cells(app(T="20"))
    assert found["the network is run"] == ["in each of 20 steps", "in one pass"]
    step, one_pass = (float(text.split(" M ")[0]) for text in found["multiply-adds each time"])
    run, whole = (float(text.split(" M")[0]) for text in found["multiply-adds of a run"])
    assert one_pass > 10 and whole == pytest.approx(one_pass, rel=0.02) and run > 19 * step
    assert cells(app(loop="false"))["the network is run"] == ["in one pass"] * 2


def test_a_disturbed_timing_is_told_by_its_spread_and_taken_again_when_asked(monkeypatch):
    takes = iter([(900.0, 10.0, 20.0)] * 2 + [(10.0, 10.0, 11.0)] * 2)
    monkeypatch.setattr(computed.cost, "timings", lambda *_: computed.cost.Timings(next(takes)))
    computed.timings.clear()
    try:
        at = app()
        assert cells(at)["milliseconds, median"] == ["20.0 a step", "20.0 a pass"]
        assert cells(at)["shortest to longest"] == ["10.0 to 900.0, 3 timings"] * 2
        assert cells(sound(at.run()))["milliseconds, median"][0] == "20.0 a step"  # kept until then
        at.button(key="time-again").click()
        assert cells(sound(at.run()))["shortest to longest"] == ["10.0 to 11.0, 3 timings"] * 2
    finally:
        computed.timings.clear()
