"""A screen and its address, over all orders in which a browser's messages and the server's answers arrive."""

from collections import deque
from copy import deepcopy
from itertools import product
from types import SimpleNamespace

import pytest

from pages.ui import screen
from pages.ui.link import Linked


class Counted(Linked):
    """A view of one number."""

    n: int = 0


SCREEN = screen.Screen("counted", Counted, {}, lambda view: view)


class Query(dict):
    """st.query_params: what the browser named with a run, and in `sent` what the run wrote."""

    def from_dict(self, link):
        self.clear()
        self.update(link)
        self.sent.append(dict(link))


@pytest.fixture
def fake(monkeypatch):
    """Streamlit as far as a screen's link needs it."""
    fake = SimpleNamespace(session_state={}, query_params=Query())
    fake.context = SimpleNamespace(is_history_navigation=False)
    monkeypatch.setattr(screen, "st", fake)
    monkeypatch.setattr(screen, "travelled", lambda: fake.context.is_history_navigation)
    return fake


class Tab:
    """A browser's tab and the server's session behind it, as Streamlit 1.67 connects them: in order, late.

    Every message names the address that the tab has then; only one sent by Back or Forward says so too. An
    address that the server sends becomes a new entry of the tab's history, or takes the place of the one
    just gone to where Back or Forward has not been answered yet.
    """

    def __init__(self):
        self.state, self.history, self.at = {}, [{}], 0
        self.inbox, self.outbox, self.sent, self.travelling = deque(), deque(), 0, None
        self.wanted, self.last, self.clicks = {}, 0, 0  # the link that the visitor asked for last, and when

    @property
    def address(self):
        return self.history[self.at]

    def _send(self, what, n=0):
        self.sent += 1
        self.inbox.append((what, n, self.address, self.sent))

    def act(self, what):
        """What the visitor does, or a timer."""
        if what == "click":
            self.clicks += 1
            self.wanted = Counted(n=self.clicks).link({})
            self._send("click", self.clicks)
            self.last = self.sent
        elif what == "timer":
            self._send("timer")
        else:
            to = self.at + (1 if what == "forward" else -1)
            if to in range(len(self.history)):
                self.at = to
                self.wanted = self.address
                self._send("travel")
                self.travelling = self.last = self.sent

    def serve(self, fake, how="whole"):
        """One run of the script: whole, cut short by the next before it wrote, or stopped before it began.

        Or joined with the timer's call behind it, whose address it takes.
        """
        what, n, address, number = self.inbox.popleft()
        if how == "dropped":
            return
        if how == "joined":
            last, (_, _, address, number) = number == self.last, self.inbox.popleft()
            self.wanted = address if last else self.wanted
        fake.session_state, fake.query_params = self.state, Query(address)
        fake.query_params.sent = []
        fake.context.is_history_navigation = what == "travel"
        if what == "click":
            SCREEN.change(n=n)
        SCREEN.read_link()
        if how != "cut":
            SCREEN.write_link()
        self.outbox.extend((link, None) for link in fake.query_params.sent)
        self.outbox.append((None, number))

    def hear(self):
        """The browser takes the server's next message."""
        link, done = self.outbox.popleft()
        if done is not None:
            self.travelling = None if self.travelling is None or done >= self.travelling else self.travelling
        elif link != self.address:
            if self.travelling is None:
                del self.history[self.at + 1 :]
                self.history.append(link)
                self.at += 1
            else:
                self.history[self.at] = link

    def settle(self, fake):
        while self.inbox or self.outbox:
            self.serve(fake) if self.inbox else self.hear()
        return self

    def ways(self):
        """What may happen next but for the visitor's acts."""
        if self.outbox:
            yield "hear"
        if self.inbox:
            yield "whole"
            if len(self.inbox) < 2:
                return
            if self.inbox[1][0] == "timer":  # which waits for the run before
                if self.inbox[0][0] == "travel":
                    yield "joined"
            else:
                yield "cut"
                if self.inbox[0][0] == "travel":
                    yield "dropped"


def ends(tab, acts, fake):
    """The tab after these acts, in every order of what happens between them, each with what happened."""
    if not acts and not tab.inbox and not tab.outbox:
        yield tab, ()
        return
    for way in [*tab.ways(), *(["act"] if acts else [])]:
        other = deepcopy(tab)
        if way == "act":
            other.act(acts[0])
        elif way == "hear":
            other.hear()
        else:
            other.serve(fake, way)
        for end, told in ends(other, acts[1:] if way == "act" else acts, fake):
            yield end, (acts[0] if way == "act" else way, *told)


def opened(fake):
    """A tab with something to go back to, and to go forward to."""
    tab = Tab()
    tab._send("timer")
    tab.settle(fake)
    for what in ("click", "click", "click", "back"):
        tab.act(what)
        tab.settle(fake)
    assert [link.get("n") for link in tab.history] == [None, "1", "2", "3"] and tab.address["n"] == "2"
    return tab


ACTS = list(product(("click", "timer", "back", "forward"), repeat=3))


@pytest.mark.parametrize(
    "acts",
    [acts if i % 3 == 0 else pytest.param(acts, marks=pytest.mark.slow) for i, acts in enumerate(ACTS)],
)
def test_the_last_wish_is_on_show_and_in_the_address_whatever_arrives_when(fake, acts):
    count = 0
    for end, told in ends(opened(fake), acts, fake):
        if "dropped" in told and end.address != end.wanted:
            end._send("timer")  # of a Back that no run was told of, the next run puts the address right
            end.settle(fake)
        assert end.state["counted/view"].link({}) == end.wanted == end.address, told
        count += 1
    assert count >= 3


def test_the_menus_bare_address_brings_back_what_the_screen_showed_and_a_link_opens_in_another_session(fake):
    tab = opened(fake)
    tab.history[tab.at] = {}  # the menu of screens drops parameters
    tab._send("timer")
    assert tab.settle(fake).address == Counted(n=2).link({})
    other = Tab()
    other.history = [dict(tab.address)]  # passed on, reloaded, bookmarked, or in a duplicated tab
    other._send("timer")
    assert other.settle(fake).state["counted/view"].n == 2 and other.history == [tab.address]


def test_back_and_forward_are_answered_by_no_address_unless_another_was_on_its_way(fake):
    tab = opened(fake)
    tab.act("back")
    tab.serve(fake)
    assert [link for link, _ in tab.outbox] == [None]  # one that came after a Forward would take its place
    tab.settle(fake)
    tab.act("click")
    tab.serve(fake)
    tab.act("back")
    tab.serve(fake)
    assert [link for link, _ in tab.outbox if link is not None] == [Counted(n=4).link({}), tab.wanted]


def test_going_back_to_what_is_on_show_does_not_play_it_anew(fake):
    tab = opened(fake)
    epoch = tab.state["counted/epoch"]
    tab._send("travel")  # from another screen
    assert tab.settle(fake).state["counted/epoch"] == epoch
