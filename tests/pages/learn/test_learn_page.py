"""Learn by AppTest: nothing is answered before a guess; the link carries lesson and guesses."""

import json

import streamlit as st
from driven import app, sound

from pages.learn.course import COURSE
from pages.learn.room import ROOMS
from pages.learn.state import LearnState

PAGE = "pages/learn/page.py"


def words(at):
    return " ".join(text.value for text in at.markdown)


def test_a_guess_comes_before_the_answer():
    at = app(PAGE)
    assert at.subheader[0].value == f"1. {COURSE[0].title}"
    assert "updates r is at" not in words(at)
    at.slider[0].set_value(5.0)
    sound(next(one for one in at.button if one.label == "Show the answer").click().run())
    assert "You said **5.0**; it is **3.5**." in words(at) and "updates r is at" in words(at)
    assert at.query_params["guesses"] == "[5.0]"
    sound(next(one for one in at.button if one.label == "Guess again").click().run())
    assert "updates r is at" not in words(at)


def test_a_link_opens_a_lesson_with_its_guess():
    at = app(PAGE, v="1", at="7", guesses="[null,null,null,null,null,null,2]")
    assert at.subheader[0].value.startswith(
        "7. "
    ) and "You said **it grows ever faster**; worked out: **it grows" in words(at)


def test_a_choice_asks_for_one_and_lessons_follow_each_other():
    at = app(PAGE, v="1", at="7")
    assert at.radio[0].value is None
    sound(next(one for one in at.button if one.label == "Show the answer").click().run())
    assert "You said" not in words(at) and at.warning[0].value == "Choose one first."
    sound(next(one for one in at.button if one.label == "Next").click().run())
    assert at.subheader[0].value.startswith("8. ") and not at.warning


def test_a_place_that_was_pointed_at_is_told_beside_the_one_worked_out():
    at = app(PAGE, v="1", at="8")
    assert not at.get("image") and "marked at step" not in words(at)  # the picture is where the guess is made
    sound(button(at, "Show the answer").click().run())
    assert "You said" not in words(at) and at.warning[0].value == "Point at a place first."
    at = app(PAGE, v="1", at="8", guesses="[null,null,null,null,null,null,null,142]")
    assert "You said **row 3, column 47**; it is **row" in words(at)
    assert "Your place is marked at step 1, 0 px along the region from the dot. The last is " in words(at)
    assert "white disc: the dot, □ marked last, ○ your place" in [caption.value for caption in at.caption]


def test_a_guess_at_a_question_that_has_become_another_is_passed_over():
    assert LearnState(guesses=(None,) * 7 + (0.97,)).guess_of(8) is None
    assert LearnState(guesses=(None,) * 6 + (3,)).guess_of(7) is None


def test_a_link_that_does_not_hold_is_told_in_one_sentence():
    at = app(PAGE, v="1", at="99")
    assert len(at.warning) == 1 and at.subheader[0].value.startswith("1. ")


def test_what_a_browser_kept_is_read_back_and_anything_else_is_passed_over():
    view = LearnState(at=3, guesses=(5.0, None, 1.0))
    assert LearnState.kept(view.to_keep()) == view
    for text in (
        None,
        "",
        "[",
        "[1]",
        '{"at": 99}',
        '{"at": 1, "more": 2}',
        "[" * 9000,
        '{"guesses": ["a"]}',
    ):
        assert LearnState.kept(text) is None


def button(at, label):
    return next(one for one in at.button if one.label == label)


def test_a_presentation_has_nothing_around_the_lesson_and_can_be_left():
    at = app(PAGE, v="1", at="2", presented="true")
    assert not at.title and "Present" not in [one.label for one in at.button]
    assert not at.expander  # the handouts
    sound(button(at, "Leave (Esc)").click().run())
    assert len(at.title) == 1 and "presented" not in at.query_params
    sound(button(at, "Present").click().run())
    assert not at.title and at.query_params["presented"] == "true"
    assert at.subheader[0].value.startswith("2. ")


def test_a_presentation_s_chart_has_large_text():
    at = app(PAGE, v="1", guesses="[1]", presented="true")
    layout = json.loads(at.get("plotly_chart")[0].proto.spec)["layout"]
    sizes = [layout["legend"], layout["xaxis"]["title"], layout["yaxis"]["title"], layout]
    assert all(one["font"]["size"] >= 24 for one in sizes)
    assert layout["xaxis"]["tickfont"]["size"] >= 24 <= layout["yaxis"]["tickfont"]["size"]


def test_a_question_comes_with_its_image_and_not_with_what_it_asks_for():
    at = app(PAGE, v="1", at="2")
    assert [image.proto.imgs[0].caption for image in at.get("image")] == ["image x"]
    assert "white disc: the dot" in [one.value for one in app(PAGE, v="1", at="6").caption]


def html(at):
    return " ".join(one.proto.body for one in at.get("html"))


def test_a_room_from_opening_to_closing():
    """Teacher and phone in two sessions; what is kept lives on when Streamlit's caches are cleared."""
    teacher = app(PAGE, v="1", at="3")
    sound(button(teacher, "Open a room for this question").click().run())
    code = ROOMS.of(teacher.session_state["owner"])
    assert code in html(teacher) and "room-qr" in html(teacher)
    assert "room" not in teacher.query_params and "owner" not in teacher.query_params
    phone = app(PAGE, room=code.lower())
    assert phone.subheader[0].value == COURSE[2].title and not phone.title
    st.cache_resource.clear()
    st.cache_data.clear()
    phone.radio[0].set_value(COURSE[2].options[1])
    sound(button(phone, "Send").click().run())
    assert COURSE[2].options[1] in phone.success[0].value and "class='answers'" not in html(phone)
    sound(teacher.run())
    assert "**1** answer to lesson 3" in words(teacher) and "class='answers'" not in html(teacher)
    sound(button(teacher, "Show the answers").click().run())
    assert "class='answers'" in html(teacher)
    sound(phone.run())
    assert "<em>you</em>" in html(phone) and not phone.radio
    teacher.radio[0].set_value(COURSE[2].options[0])
    sound(button(teacher, "Show the answer").click().run())
    assert "worked out" in html(sound(teacher.run()))
    sound(button(teacher, "Next").click().run())
    sound(teacher.run())
    sound(button(teacher, "Ask lesson 4").click().run())
    assert sound(phone.run()).subheader[0].value == COURSE[3].title
    sound(button(teacher, "Close the room").click().run())
    assert "class='room-code'" not in html(teacher) and "There is no room" in phone.run().warning[0].value


def test_a_room_that_is_not_there_is_told_in_one_sentence_and_another_code_may_be_given():
    at = app(PAGE, room="ZZZZ")
    assert len(at.warning) == 1 and "There is no room 'ZZZZ'" in at.warning[0].value and not at.subheader
    other = ROOMS.open("someone", COURSE[7].key)  # a phone points at the picture, too
    at.text_input[0].set_value(other.lower()).run()
    assert sound(at).subheader[0].value == COURSE[7].title and at.query_params["room"] == other
    assert any("move the mark" in caption.value for caption in at.caption)
    sound(button(at, "Leave the room").click().run())
    assert at.subheader[0].value.startswith("1. ") and "room" not in at.query_params
    ROOMS.close(other, "someone")
