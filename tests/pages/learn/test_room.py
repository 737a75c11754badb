"""Rooms: bounded, gone in time, steered by whoever opened them alone, and right under many threads."""

import threading

import pytest

from pages.learn.answers import BINS, bars, counted
from pages.learn.course import COURSE
from pages.learn.guess import value as value_of
from pages.learn.room import LETTERS, LIFE, MOST_ANSWERS, MOST_ROOMS, RoomError, Rooms

BAR, CHOICE = COURSE[1], COURSE[2]  # a guess from 0 to 100, and one of three
POINTED = next(lesson for lesson in COURSE if lesson.side)


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def rooms(clock):
    return Rooms(clock)


def test_answers_are_told_to_nobody_before_they_are_shown(rooms):
    code = rooms.open("teacher", "clock")
    assert len(code) == 4 and set(code) <= set(LETTERS)
    rooms.answer(code, "one", 1, 2.0)
    rooms.answer(code, "two", 1, 1.0)
    for who in ("teacher", "one"):
        seen = rooms.look(code, who)
        assert seen.answers is None and seen.count == 2
    assert rooms.look(code, "one").mine == 2.0 and rooms.look(code, "three").mine is None
    rooms.show(code, "teacher", True)
    assert rooms.look(code, "three").answers == (1.0, 2.0)


def test_a_phone_has_one_answer_and_may_change_it_until_all_are_shown(rooms):
    code = rooms.open("teacher", "clock")
    rooms.answer(code, "one", 1, 2.0)
    rooms.answer(code, "one", 1, 0.0)
    assert rooms.look(code, "one").count == 1 and rooms.look(code, "one").mine == 0.0
    rooms.show(code, "teacher", True)
    with pytest.raises(RoomError, match="on show"):
        rooms.answer(code, "one", 1, 1.0)


def test_another_question_starts_without_answers_and_takes_none_to_the_one_before(rooms):
    code = rooms.open("teacher", "clock")
    rooms.answer(code, "one", 1, 2.0)
    rooms.show(code, "teacher", True)
    rooms.ask(code, "teacher", "loop")
    seen = rooms.look(code, "one")
    assert (seen.question, seen.asked, seen.count, seen.mine, seen.answers) == ("loop", 2, 0, None, None)
    with pytest.raises(RoomError, match="another question"):
        rooms.answer(code, "one", 1, 2.0)


def test_only_who_opened_a_room_steers_it(rooms):
    code = rooms.open("teacher", "clock")
    for act in (
        lambda: rooms.ask(code, "pupil", "loop"),
        lambda: rooms.show(code, "pupil", True),
        lambda: rooms.close(code, "pupil"),
    ):
        with pytest.raises(RoomError, match="Only the browser"):
            act()
    seen = rooms.look(code, "pupil")
    assert seen.question == "clock" and seen.answers is None
    assert rooms.of("teacher") == code and rooms.of("pupil") is None


def test_there_are_no_more_answers_and_rooms_than_said_and_one_room_an_owner(rooms):
    code = rooms.open("teacher", "clock")
    for number in range(MOST_ANSWERS):
        rooms.answer(code, str(number), 1, 0.0)
    with pytest.raises(RoomError, match=f"{MOST_ANSWERS} answers"):
        rooms.answer(code, "one more", 1, 0.0)
    rooms.answer(code, "7", 1, 1.0)  # a change is no more
    assert rooms.look(code, "7").count == MOST_ANSWERS
    second = rooms.open("teacher", "loop")
    assert rooms.of("teacher") == second and rooms.look(second, "7").count == 0
    with pytest.raises(RoomError, match="There is no room"):
        rooms.look(code, "7")
    for number in range(MOST_ROOMS - 1):
        rooms.open(f"teacher {number}", "clock")
    with pytest.raises(RoomError, match=f"All {MOST_ROOMS} rooms"):
        rooms.open("a late one", "clock")


def test_a_room_is_gone_after_two_hours_and_its_place_is_free(rooms, clock):
    assert LIFE == 2 * 3600
    code = rooms.open("teacher", "clock")
    for number in range(MOST_ROOMS - 1):
        rooms.open(f"teacher {number}", "clock")
    clock.now = LIFE - 1
    rooms.answer(code, "one", 1, 0.0)
    rooms.ask(code, "teacher", "loop")  # which lengthens nothing
    clock.now = LIFE
    with pytest.raises(RoomError, match="There is no room"):
        rooms.look(code, "one")
    with pytest.raises(RoomError, match="There is no room"):
        rooms.close(code, "teacher")
    assert rooms.of("teacher") is None and rooms.open("a late one", "clock")


def test_forty_threads_at_once_each_leave_their_answer(rooms):
    code = rooms.open("teacher", "clock")
    start, faults = threading.Barrier(40), []

    def phone(number):
        start.wait()
        try:
            for value in range(25):
                rooms.answer(code, f"phone {number}", 1, float(value % 3))
                assert rooms.look(code, f"phone {number}").mine == value % 3
            rooms.answer(code, f"phone {number}", 1, float(number))
        except Exception as error:
            faults.append(error)

    threads = [threading.Thread(target=phone, args=(number,)) for number in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rooms.show(code, "teacher", True)
    assert not faults and rooms.look(code, "").answers == tuple(map(float, range(40)))


def test_no_token_can_be_read_from_a_room_s_answers(rooms):
    code = rooms.open("teacher", "clock")
    rooms.answer(code, "a-token", 1, 0.0)
    assert "a-token" not in repr(rooms._rooms[code].answers)


@pytest.mark.parametrize("code", ["", "ABCD", "<b>", "x" * 1000])
def test_a_wrong_code_is_refused_in_one_short_sentence(rooms, code):
    with pytest.raises(RoomError) as refused:
        rooms.look(code, "one")
    assert len(str(refused.value)) < 120 and str(refused.value).count(".") == 1


def test_what_a_guess_can_be():
    assert all(CHOICE.takes(value) for value in (0, 1.0, 2)) and BAR.takes(0) and BAR.takes(99.5)
    for value in (-1, 3, 0.5, float("nan"), None, "1", True):
        assert not CHOICE.takes(value)
    for value in (-0.1, 100.1, float("inf"), float("nan"), None, "1"):
        assert not BAR.takes(value)


def test_a_place_is_a_pixel_s_number_and_counts_for_its_ninth_of_the_picture():
    side = POINTED.side
    corners = [0, side - 1, side * (side - 1), side**2 - 1]
    assert all(POINTED.takes(value) for value in corners) and POINTED.said(side + 2) == "row 2, column 3"
    for value in (-1, side**2, 0.97, None, True):
        assert not POINTED.takes(value)
    assert [count for _, count in counted(POINTED, corners)] == [1, 0, 1, 0, 0, 0, 1, 0, 1]
    drawn = bars(POINTED, corners, mine=0.0, right=side**2 - 1)
    assert "top left <em>you</em>" in drawn and "bottom right <em>worked out</em>" in drawn
    assert value_of(POINTED, {"place": 7}) == 7.0
    for kept in (None, {}, {"place": None}, {"place": "7"}, {"place": [7]}, 7, "7"):
        assert value_of(POINTED, kept) is None


def test_answers_fall_into_bars_whose_ends_count_once():
    assert counted(CHOICE, [0, 2, 2]) == list(zip(CHOICE.options, [1, 0, 2]))
    rows = counted(BAR, [0.0, 9.0, 10.0, 55.0, 100.0])
    assert len(rows) == BINS and [count for _, count in rows] == [2, 1, 0, 0, 0, 1, 0, 0, 0, 1]
    assert rows[0][0] == "0 to 10" and sum(count for _, count in rows) == 5
    for lesson in COURSE:
        if (
            not lesson.options and not lesson.side
        ):  # a guess on a boundary is in the bar that begins there, in any unit
            step = (lesson.hi - lesson.lo) / BINS
            found = counted(lesson, [lesson.lo + i * step for i in range(BINS)])
            assert [count for _, count in found] == [1] * BINS


def test_bars_are_as_long_as_their_share_of_the_longest_and_name_what_is_marked():
    drawn = bars(CHOICE, [0, 2, 2], mine=0.0, right=2.0)
    assert drawn.count("<li>") == 3 and "width:50%" in drawn and "width:100%" in drawn
    assert drawn.index(CHOICE.options[0]) < drawn.index("you") < drawn.index(CHOICE.options[2])
    assert drawn.index(CHOICE.options[2]) < drawn.index("worked out")
    assert "width:0%" in bars(CHOICE, [], None, None)
