"""A visitor without a browser: speaks Streamlit's protocol to the server, as its front end does."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import urlencode

from streamlit.components.v2.bidi_component.main import _make_trigger_id
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect

PATIENCE = 600.0  # seconds for an answer, on the busiest machine


class Visitor:
    """One session. seconds: takes what each answer took, by page; faults: the red boxes that came.

    shown: the HTML that pages put on show, newest last.
    """

    def __init__(
        self, url: str, seconds: dict[str, list[float]], faults: list[str], cookie: str | None = None
    ) -> None:
        self._socket = connect(
            f"ws{url.removeprefix('http')}/_stcore/stream",
            subprotocols=["streamlit"], max_size=None, open_timeout=PATIENCE, ping_interval=None,
            additional_headers={"Cookie": cookie} if cookie else None,
        )  # fmt: skip
        self._url, self._page, self._query, self._hash = url, "", "", ""
        self._buttons: dict[str, str] = {}
        self._sliders: dict[str, str] = {}
        self.shown: list[str] = []
        self._components: dict[str, tuple[str, str]] = {}  # key -> id and fragment
        self.timers: list[tuple[str, float]] = []
        self.seconds, self.faults = seconds, faults

    def close(self) -> None:
        self._socket.close()

    def open(self, page: str, link: dict[str, str]) -> None:
        """Go to a page by a link; within a page and session, as the browser's Back and Forward do."""
        arrived, self._page, self._query = page != self._page, page, urlencode(link)
        there = {"page_script_hash": self._hash, "is_history_navigation": True}
        self._ask({"page_name": page} if arrived or not self._hash else there)

    def press(self, key: str, slid: dict[str, float] | None = None) -> bool:
        """Press the button of that key or label; False where the page has none that can be pressed.

        slid: where sliders stand by then, by what their keys begin with.
        """
        if key not in self._buttons:
            return False
        stand = {
            found: value
            for start, value in (slid or {}).items()
            for name, found in self._sliders.items()
            if name.startswith(start)
        }
        self._ask({"page_script_hash": self._hash}, press=self._buttons[key], slid=stand)
        return True

    def ask(self, key: str, value: dict[str, Any]) -> None:
        """What the component of that key asks for: the value under "ask"."""
        base, fragment = self._components[key]
        state = {"page_script_hash": self._hash} | ({"fragment_id": fragment} if fragment else {})
        self._ask(state, asked=(base, value))

    def tick(self) -> None:
        """Let the page's timers run once."""
        for fragment, _ in self.timers[:]:
            self._ask({"page_script_hash": self._hash, "fragment_id": fragment, "is_auto_rerun": True})

    def _ask(self, state: dict, press: str = "", asked: tuple[str, Any] | None = None, slid=None) -> None:
        message, start = BackMsg(), time.perf_counter()
        told = message.rerun_script
        told.query_string = self._query
        told.context_info.timezone = "UTC"
        told.context_info.url = f"{self._url}/{self._page}"
        for name, value in state.items():
            setattr(told, name, value)
        for name, value in (slid or {}).items():
            told.widget_states.widgets.add(id=name).double_array_value.data.append(value)
        if press:
            told.widget_states.widgets.add(id=press, trigger_value=True)
        if asked:
            event = json.dumps([{"event": "ask", "value": asked[1]}])
            told.widget_states.widgets.add(id=asked[0], json_value="{}")  # the state of the component itself
            told.widget_states.widgets.add(id=_make_trigger_id(asked[0], "events"), json_trigger_value=event)
        if "fragment_id" not in state:
            self._buttons, self.timers = {}, []
        self._socket.send(message.SerializeToString())
        while not self._take(self._socket.recv(PATIENCE)):
            pass
        self.seconds.setdefault(self._page, []).append(time.perf_counter() - start)

    def _take(self, raw: bytes) -> bool:
        """One message of the server; whether it ends the answer."""
        message = ForwardMsg.FromString(raw)
        kind = message.WhichOneof("type")
        if kind == "new_session":
            self._hash = message.new_session.page_script_hash
        elif kind == "navigation":  # a new session hears here which page its name meant
            self._hash = message.navigation.page_script_hash
        elif kind == "page_info_changed":
            self._query = message.page_info_changed.query_string
        elif kind == "auto_rerun":
            self.timers.append((message.auto_rerun.fragment_id, message.auto_rerun.interval))
        elif kind == "delta" and message.delta.WhichOneof("type") == "new_element":
            element = message.delta.new_element
            what = element.WhichOneof("type")
            if what == "button" and not element.button.disabled:
                key = element.button.id.split("-", 2)[-1]
                self._buttons[element.button.label if key == "None" else key] = element.button.id
            if what == "slider":
                self._sliders[element.slider.id.split("-", 2)[-1]] = element.slider.id
            if what == "html":
                self.shown.append(element.html.body)
            if what == "bidi_component":
                found = element.bidi_component.id
                self._components[found.split("-")[-1]] = found, message.delta.fragment_id
            if what == "exception" or (what == "alert" and element.alert.format == element.alert.ERROR):
                body = element.exception.message if what == "exception" else element.alert.body
                self.faults.append(f"{self._page}: {body:.200}")
        early = ForwardMsg.FINISHED_EARLY_FOR_RERUN
        return kind == "script_finished" and message.script_finished != early
