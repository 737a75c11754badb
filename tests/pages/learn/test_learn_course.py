"""The course: every lesson is short, asks first, and tells numbers that are worked out and hold."""

import re
from itertools import islice

import numpy as np
import pytest
import torch
from PIL import Image

from fbseg_core import Switches, iterate, load, make_batch
from fbseg_core.analysis.receptive import receptive_field
from fbseg_core.config import EVAL_SEED
from fbseg_core.experiments import EXPERIMENTS
from fbseg_core.predictive import files
from fbseg_core.predictive.images import draw
from fbseg_core.tasks import draw as draw_one
from pages import menu
from pages.explore.run import scene_of
from pages.learn import computed, glossary, loops
from pages.learn.course import COURSE, WORDS
from pages.learn.figures import DOT, FEEDBACK, FEEDFORWARD, MINE, chart, curves, marked, picture
from pages.learn.handout import handout
from pages.learn.outcome import Outcome
from pages.learn.path import (
    WANTED,
    K,
    W,
    X,
    at_rest,
    best_for_path,
    follow,
    whole_path_gradient,
    whole_path_loss,
)
from pages.learn.spread import last_part
from pages.predictive.state import PICTURES
from pages.ui.models import cards

LESSONS = {lesson.key: lesson for lesson in COURSE}


def outcome(key, trial=None):
    lesson = LESSONS[key]
    start = lesson.trial[4] if lesson.trial else 0.0
    return getattr(computed, key)(start if trial is None else trial)


@pytest.mark.parametrize("lesson", COURSE, ids=lambda lesson: lesson.key)
def test_a_lesson_is_short_asks_a_question_and_says_what_it_left_out(lesson):
    assert len(lesson.words.split()) <= WORDS
    assert lesson.question.endswith("?") and lesson.simplified.endswith(".") and lesson.terms
    assert callable(getattr(computed, lesson.key))
    assert menu.link(lesson.screen, **lesson.values).startswith("./")
    if lesson.trial:
        _, low, high, _, start = lesson.trial
        assert low <= start <= high


def test_one_neuron_settles_on_the_weighted_mean():
    for precision in (0.0, 1.0, 9.0):
        found = outcome("one_neuron", precision)
        assert found.truth == pytest.approx((8 * precision + 6) / (precision + 3), abs=0.02)
        assert f"{found.truth:.2f}" in found.told


def test_the_error_shrinks_and_the_energy_never_rises():
    found = outcome("prediction", 20.0)
    left = found.lines["error, % of the image"]
    assert left[0] == pytest.approx(100) and left[-1] == found.truth < 30
    assert "the energy rose in 0 of 20 updates" in found.told
    delta = found.lines["‖δ‖, % of its first"]
    assert len(delta) == 20 and delta[-1] > 50  # the loop's δ does not vanish


def test_behind_a_cover_the_answer_is_the_smaller_miss():
    found = outcome("precision")
    trusting, other = (int(number) for number in re.findall(r"(\d+) %", found.told)[:2])
    assert found.truth == LESSONS["precision"].options[1] and 2 * other < trusting


@pytest.mark.thorough
def test_end_stopping_is_told_as_it_is_measured():
    found = outcome("two_levels")
    answers = found.lines["ε₁ = r − W∗s"]
    assert found.truth == pytest.approx(100 * max(answers[-1], 0) / max(answers))
    assert 0 <= found.truth <= 100 and f"at {found.truth:.0f} %" in found.told
    assert set(found.pictures) == {"a bar of 11 px", "a bar of 44 px"}
    cut = outcome("two_levels", 0.0).lines
    assert cut["r"] == pytest.approx(cut["ε₁ = r − W∗s"])  # with no second level ε₁ is r itself


def test_learning_lowers_the_energy_of_what_was_never_seen():
    found = outcome("learning", 8.0)
    energy = found.lines["energy, % of before"]
    assert found.truth < 90 and len(energy) == 9
    assert f"rose in {(np.diff(energy) > 0).sum()} of them" in found.told


def test_cutting_the_loop_costs_what_is_told():
    found = outcome("loop", 12.0)
    whole, cut = (found.lines[name][-1] for name in ("whole loop", "loop cut"))
    assert whole > 0.85 and cut == found.truth < whole - 0.2
    assert found.pictures["truth"][0].flatten()[found.dot] == 1  # the dot lies in the region
    net, card = load(loops.LOOP)
    x = make_batch(card.task, 1, EVAL_SEED).x
    first, *later = islice(iterate(net, x, switches=Switches(loop=False)), 1, 4)
    assert all(torch.equal(state.delta, first.delta) for state in later)  # as is told


def test_a_positive_eigenvalue_grows_ever_faster_and_a_negative_one_comes_to_rest():
    found, tau = outcome("clock", -0.5), load(loops.LOOP)[1].model.tau
    assert found.truth == "it grows ever faster" and f"τ = {tau:g} steps" in LESSONS["clock"].words
    for a in (-1.0, 0.0, 1.0, -0.5):
        steps = np.array(found.lines[f"a = {a:g}"])
        assert len(steps) == 40 and steps[1:] / steps[:-1] == pytest.approx(np.exp(a / tau), rel=0.05)
        assert f"{steps[-1]:,.{0 if steps[-1] > 10 else 1}f} with a = {a:g}".replace("-", "−") in found.told
    assert float(re.search(r"changed by (\d+\.\d) %", found.told)[1]) <= 5  # else steps could shrink by F
    axis = curves(found).layout.yaxis
    assert axis.title.text == "length of the step, log scale" and axis.dtick == 1  # no digits between decades


def test_the_deep_network_is_level_with_the_loop_and_the_shallow_one_is_not():
    found = outcome("where")
    deep, loop, shallow_one = (float(n) for n in re.findall(r"\d\.\d\d", found.told)[1:4])
    assert deep > 0.9 and loop > 0.9 and loop - shallow_one > 0.1
    shallow, card = load(loops.SHALLOW)
    assert card.f1[1] < 0.75 and shallow.steps


def test_how_far_the_networks_see_and_what_the_deep_one_weighs_is_told_as_it_is():
    models = {name: load(name) for name in (loops.LOOP, loops.DEEP, loops.SHALLOW)}
    near, far = (receptive_field(models[name][1].model) for name in (loops.SHALLOW, loops.DEEP))
    deep, loop = (sum(w.numel() for w in models[name][0].parameters()) for name in (loops.DEEP, loops.LOOP))
    words = LESSONS["where"].words
    assert (
        f"sees {near} px" in words
        and f"sees {far} px at once, with {deep / loop:.0f} times the weights" in words
    )


def test_the_place_marked_last_is_a_long_way_along_the_region_and_what_is_told_of_places_holds():
    lesson, found = LESSONS["where"], outcome("where", 4.0)
    place, spread = lesson.place(found.truth), found.spread
    assert found.truth == spread.last and spread.told(*place) in found.told
    there = spread.steps > 0
    assert spread.ways[place] > 0.9 * float(spread.ways[there].max()) and spread.correlation > 0.9
    assert spread.told(*lesson.place(spread.dot)) == "marked at step 1, 0 px along the region from the dot"
    outside = divmod(int((~there).flatten().int().argmax()), lesson.side)
    assert spread.told(*outside) == "never marked" and there.shape == (lesson.side, lesson.side)
    assert set(found.asked) < set(found.pictures)  # the steps are not shown with the question


def test_the_last_part_is_where_neighbours_are_late_and_not_one_late_pixel():
    steps = torch.zeros(12, 12, dtype=torch.int64)
    steps[:, :6], steps[5, 0], steps[8:, :6] = 2, 20, 9
    assert last_part(steps) // 12 >= 9 and last_part(steps) % 12 < 6


def test_a_mask_that_stands_still_is_tried_with_full_updates():
    found = outcome("settled")
    assert "Under the clock 0 % changes" in found.told and 0 <= found.truth <= 100
    assert ("it was switched off" in found.told) == (found.truth > 0)
    assert ("does not ship yet" in found.told) == (loops.LEAKY not in loops.shipped())


def test_the_gradient_of_the_whole_path_nears_that_of_the_fixed_point():
    shares = [outcome("path", T).truth for T in (1.0, 5.0, 20.0, 60.0)]
    assert 0 == shares[0] < shares[1] < shares[2] < shares[3] < 100


def test_the_fixed_point_s_gradient_is_that_of_a_long_run_s_last_step():
    """Of a loss at the end alone the gradient through 400 steps is that of implicit differentiation."""
    w = torch.tensor(0.8, requires_grad=True)
    ((follow(w, 400)[-1] - 8) ** 2 / 2).backward()
    rest = at_rest(0.8)
    assert float(w.grad) == pytest.approx(rest.gradient, rel=1e-3)
    assert rest == pytest.approx((5, 5 - 8, 0.9, 2.5)) and rest.gradient == pytest.approx(-75)
    told = outcome("path").told
    assert "rests at 5" in told and "(5 − 8) · (1 − 0.9)⁻¹ · 2.5 = −75" in told
    series = sum(rest.step_by_h**k for k in range(400))  # as training takes the inverse
    assert (
        series == pytest.approx(1 / (1 - rest.step_by_h)) and "1 + J + J² + …" in LESSONS["path"].simplified
    )


def test_the_two_ways_learn_different_loops_and_one_of_them_needs_rest():
    found = outcome("path")
    assert "g = h + ½(wh + 1 − h), w = 0.8" in LESSONS["path"].words and (K, X, W, WANTED) == (0.5, 1, 0.8, 8)
    rests, path = found.lines.values()
    assert rests[-1] == pytest.approx(8, abs=0.2) and rests[5] < 3 < path[5]
    w = best_for_path(5)
    near = torch.tensor([w - 0.05, w, w + 0.05], dtype=torch.float64)
    assert whole_path_loss(near, 5).argmin() == 1 and w > 1 and f"w = {w:.2f}" in found.told
    assert "never comes to rest" in found.told and "comes to rest at" in outcome("path", 40.0).told
    assert best_for_path(1) is None and len(outcome("path", 1.0).lines) == 1
    assert at_rest(1.2).gradient < 0 < whole_path_gradient(1.2, 20)
    assert follow(1.2, 60)[-1] > 100
    assert "every bound, it asks for a larger w" in found.told and "asks for a smaller one" in found.told


def test_few_examples_are_told_by_the_shipped_rows():
    found = outcome("claim")
    means = {name: np.mean(values) for name, values in found.scores.items()}
    assert found.truth > 0.7 and f"network scores {means['feedforward']:.2f}, its loop" in found.given
    assert all(len(values) == 8 for values in found.scores.values())
    assert means["normalised"] == pytest.approx(found.truth, abs=1e-4)  # rows are rounded, counts are not
    assert means["loop cut"] > means["feedforward"] + 0.5 < means["loop"]  # a gap, and not of the loop
    drawn = chart(found).data
    assert [line.name for line in drawn] == ["loop", "feedforward", "normalised", "loop cut", "mean"]
    assert [line.marker.color for line in drawn[:2]] == [FEEDBACK, FEEDFORWARD]  # as on every screen
    assert drawn[-1].y == pytest.approx(list(means.values()))


def test_the_few_example_networks_trained_longer_are_told_by_the_shipped_rows_too():
    found = outcome("claim", 5.0)
    means = {name: np.mean(values) for name, values in found.scores.items()}
    assert set(means) == {"feedforward", "normalised", "loop"}
    assert all(f"{mean:.2f}" in found.told for mean in means.values()) and means["feedforward"] > 0.5


def test_figures_are_drawn_of_every_kind():
    found = outcome("loop", 2.0)
    drawn = curves(found).data
    assert [(line.name, line.x) for line in drawn] == [("whole loop", (1, 2)), ("loop cut", (1, 2))]
    drawn = picture(*found.pictures["truth"])
    assert drawn.size == (240, 240)
    places = marked(drawn, 48, {DOT: (0, 24), MINE: (24, 24)})
    changed = np.argwhere(np.asarray(places) != np.asarray(drawn.convert("RGB")))[:, :2] / 5
    assert changed[:, 0].max() < 30 and abs(changed[:, 1] - 24.5).max() < 3
    assert len(make_batch(load(loops.LOOP)[1].task, 1, EVAL_SEED)) == 1


def test_a_handout_asks_all_questions_and_the_other_answers_them():
    def plain(lesson):
        return Image.new("L", (lesson.side, lesson.side))

    questions = handout(plain)
    assert questions.count("<li>") == len(COURSE) == questions.count("My guess")
    assert questions.count("data:image/png") == sum(lesson.side > 0 for lesson in COURSE) == 1

    def right(lesson):
        return lesson.options[1] if lesson.options else lesson.lo

    answers = handout(plain, lambda lesson: Outcome(right(lesson), f"<{lesson.key}> is told"))
    assert all(f"<p><b>{lesson.options[1]}</b>. &lt;" in answers for lesson in COURSE if lesson.options)
    assert "<p><b>row 1, column 1</b>. &lt;where" in answers and "<p><b>0.0</b>. &lt;one_neuron" in answers
    assert "My guess" not in answers
    assert all(f"&lt;{lesson.key}&gt; is told" in answers for lesson in COURSE)


def test_every_term_of_a_lesson_has_its_row_in_the_glossary():
    rows = glossary.rows()
    assert len(rows) > 40 and all(words and meaning for words, meaning in rows)
    for lesson in COURSE:
        for term in lesson.terms:
            assert glossary.row_of(term) is not None, term
    for term, words in {
        "π₁": "precision π",
        "U∗r": "r, s, U, W, V",
        "δ": "δ, δ̃",
        "F1": "pooled F1",
        "‖h‖": "‖h‖, ‖δ‖, norm",
    }.items():
        assert rows[glossary.row_of(term)][0] == words
    assert glossary.row_of("harpsichord") is None
    assert (
        glossary.table().count("<dt ") == len(rows) and "(E" not in glossary.table()
    )  # no tag without its equation


def shown_in_lab(lesson):
    """The image on show where a lesson's figure opens, (1, C, H, W)."""
    view = menu.state(lesson.screen, **lesson.values)
    if lesson.screen == "predictive":
        source = files.load(view.source)[1].source
        drawn = draw(source, PICTURES, EVAL_SEED, "test")  # as the screen packs them
        return (drawn if view.source == "photographs" else drawn.x)[view.picture][None]
    if lesson.screen == "explore":
        return draw_one(scene_of(view, cards()).task, view.image, view.noise).x
    return draw_one(load(view.model)[1].task, view.image, view.noise).x


def test_a_figure_opens_in_its_lab_on_the_same_image():
    shown = {key: shown_in_lab(LESSONS[key]) for key in ("prediction", "loop", "clock", "settled")}
    assert torch.equal(outcome("prediction", 1.0).pictures["image x"][0], shown["prediction"][0, 0])
    assert torch.equal(outcome("loop", 2.0).pictures["image"][0], shown["loop"][0, 0])
    assert torch.equal(shown["loop"], shown["clock"]) and torch.equal(shown["loop"], shown["settled"])
    covered, plain = outcome("precision").pictures["covered image"][0], shown_in_lab(LESSONS["precision"])
    outside = covered != 0
    assert 0.9 < outside.float().mean() < 1
    assert torch.equal(covered[outside], plain[0].mean(0)[outside])


def test_a_lesson_on_what_was_measured_opens_the_card_of_it():
    claims = {lesson.values["claim"] for lesson in COURSE if lesson.screen == "evidence"}
    assert claims == {"grouping", "help"} <= EXPERIMENTS.keys()
