import threading
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from pages.ui import server
from pages.ui.memo import Memo, size_of

MB = 2**20


class Stopped(BaseException):
    """As Streamlit stops a script."""


def memo(budget=10 * MB, at_once=2):
    return Memo({"all": budget}, at_once)


def block(mb):
    return lambda: np.zeros(mb * MB, np.uint8)


def refuse():
    pytest.fail("made again")


def started(work):
    """Run in a thread; what it returned or raised is in `outcome`."""
    outcome = []

    def run():
        try:
            outcome.append(work())
        except BaseException as error:
            outcome.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.outcome = outcome
    thread.start()
    return thread


def ended(*threads):
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
    return [thread.outcome[0] for thread in threads]


# ---- sizes


@dataclass
class Pair:
    first: object
    second: object


@pytest.mark.parametrize(
    "make", [lambda n: torch.zeros(n, dtype=torch.uint8), lambda n: np.zeros(n, np.uint8), bytes]
)
def test_a_value_is_as_large_as_what_it_holds(make):
    for value in (make(MB), [make(MB)], {"a": make(MB)}, Pair(make(MB), None), (Pair(1, {2: make(MB)}),)):
        assert MB <= size_of(value) < MB + 3000


def test_a_storage_is_counted_once_and_whole_however_it_is_looked_at():
    tensor = torch.zeros(MB, dtype=torch.uint8)
    shared = [tensor, tensor[:3], tensor.numpy(), tensor.view(2, -1), tensor.numpy()[::2]]
    assert MB <= size_of(shared) < MB + 5000 and MB <= size_of(tensor[:3]) < MB + 3000
    model = torch.nn.Linear(512, 512, bias=False)
    assert MB <= size_of([model, model.weight]) < MB + 10_000


# ---- bounds and order


def test_bytes_are_bounded_and_the_least_recently_used_go_first():
    values = memo()
    for key in "abc":
        values.get("all", key, block(3))
    values.get("all", "a", refuse)
    values.get("all", "d", block(3))  # b goes
    assert [values.peek("all", key) is None for key in "abcd"] == [False, True, False, False]
    count, held = values.held()["all"]
    assert count == 3 and 9 * MB < held <= 10 * MB


def test_what_is_larger_than_the_budget_is_given_and_not_kept():
    values = memo()
    values.get("all", "small", block(1))
    assert len(values.get("all", "huge", block(11))) == 11 * MB
    assert values.held()["all"][0] == 1 and values.peek("all", "small") is not None


def test_shelves_do_not_drive_one_another_out():
    values = Memo({"large": 4 * MB, "small": MB // 2}, 1)
    values.get("small", 1, lambda: "a")
    for key in range(5):
        values.get("large", key, block(2))
    assert values.peek("small", 1) == "a" and values.held()["large"][0] == 1


def test_none_is_a_value_and_all_can_be_forgotten():
    values = memo()
    assert values.get("all", 1, lambda: None) is None and values.get("all", 1, refuse) is None
    values.clear()
    assert values.get("all", 1, lambda: 2) == 2 and values.peek("all", 3, "none") == "none"


# ---- many who ask


def test_whoever_asks_for_the_same_gets_one_computation():
    values, going, go = memo(), threading.Event(), threading.Event()
    made = []

    def make():
        going.set()
        go.wait(10)
        made.append(1)
        return object()

    first = started(lambda: values.get("all", 1, make))
    going.wait(10)
    others = [started(lambda: values.get("all", 1, refuse)) for _ in range(5)]
    go.set()
    assert len(set(map(id, ended(first, *others)))) == 1 and made == [1]


def test_a_waiter_gets_a_value_that_was_too_large_to_keep():
    values, going, go = memo(MB), threading.Event(), threading.Event()
    first = started(lambda: values.get("all", 1, lambda: (going.set(), go.wait(10), block(2)())[-1]))
    going.wait(10)
    waits = threading.Event()
    second = started(lambda: values.get("all", 1, refuse, meanwhile=waits.set))
    waits.wait(10)
    go.set()
    one, other = ended(first, second)
    assert one is other


def test_an_exception_reaches_every_waiter_and_is_not_kept():
    values, going, go = memo(), threading.Event(), threading.Event()

    def fail():
        going.set()
        go.wait(10)
        raise ValueError("no")

    first = started(lambda: values.get("all", 1, fail))
    going.wait(10)
    waiting = [threading.Event() for _ in range(3)]
    others = [started(lambda e=event: values.get("all", 1, refuse, meanwhile=e.set)) for event in waiting]
    assert all(event.wait(10) for event in waiting)
    go.set()
    assert all(isinstance(error, ValueError) for error in ended(first, *others))
    assert values.get("all", 1, lambda: 2) == 2


def test_a_stopped_computation_is_taken_over_by_one_who_waits():
    values, going, go = memo(), threading.Event(), threading.Event()
    made = []

    def stop():
        going.set()
        go.wait(10)
        raise Stopped

    def make():
        made.append(1)
        return "made"

    first = started(lambda: values.get("all", 1, stop, turn=True))
    going.wait(10)
    waiting = [threading.Event() for _ in range(3)]
    others = [started(lambda e=e: values.get("all", 1, make, turn=True, meanwhile=e.set)) for e in waiting]
    assert all(event.wait(10) for event in waiting)
    go.set()
    stopped, *found = ended(first, *others)
    assert isinstance(stopped, Stopped) and found == ["made"] * 3 and made == [1]


def test_one_who_waits_can_be_stopped_and_the_rest_go_on():
    values, going, go = memo(), threading.Event(), threading.Event()
    first = started(lambda: values.get("all", 1, lambda: (going.set(), go.wait(10), 3)[-1]))
    going.wait(10)

    def stop():
        raise Stopped

    (stopped,) = ended(started(lambda: values.get("all", 1, refuse, meanwhile=stop)))
    go.set()
    assert isinstance(stopped, Stopped) and ended(first) == [3]


def test_only_so_many_take_their_turn_at_once_and_what_they_ask_for_takes_none():
    values, most, now, lock = memo(at_once=2), [0], [0], threading.Lock()

    def make(key):
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        inner = values.get("all", ("inner", key), lambda: key, turn=True)  # a third turn would never come
        threading.Event().wait(0.02)
        with lock:
            now[0] -= 1
        return inner

    threads = [started(lambda k=k: values.get("all", k, lambda: make(k), turn=True)) for k in range(8)]
    assert ended(*threads) == list(range(8)) and most[0] == 2


def test_turns_come_in_the_order_of_asking_and_who_was_stopped_holds_up_nobody():
    values, order, go = memo(at_once=1), [], threading.Event()
    first = started(lambda: values.get("all", "first", go.wait, turn=True))
    waiting = []
    for key in range(6):
        asked = threading.Event()

        def meanwhile(key=key, asked=asked):
            asked.set()
            if key in (0, 3) and go.is_set():
                raise Stopped

        ask = lambda key=key, look=meanwhile: values.get(  # noqa: E731
            "all", key, lambda: order.append(key), turn=True, meanwhile=look
        )
        waiting.append(started(ask))
        assert asked.wait(10)  # in line before the next comes
    with values._changed:  # so that those who are to be stopped are, before anybody's turn comes
        values._turns -= 1
    go.set()
    ended(first, waiting[0], waiting[3])
    with values._changed:
        values._turns += 1
    ended(*waiting)
    assert order == [1, 2, 4, 5]


def test_a_visitor_who_waits_is_told_once_after_a_while(monkeypatch):
    told, going, go = [], threading.Event(), threading.Event()
    monkeypatch.setattr(server, "TOLD", 0.15)
    monkeypatch.setattr(server.visitor, "tell", lambda sentence: (told.append(sentence), go.set()))
    first = started(lambda: server.kept("rest", ("test", "told"), lambda: (going.set(), go.wait(10), 3)[-1]))
    going.wait(10)
    assert server.kept("rest", ("test", "told"), refuse) == 3
    ended(first)
    assert len(told) == 1 and "your turn comes" in told[0]
    server.kept("rest", ("test", "told"), refuse)
    assert len(told) == 1
