"""Whose browser it is: a random token in a cookie, its clock, and what it asked for; whether it still waits.

The only module that uses private parts of Streamlit, for what has no public one (1.67): whether a run follows
from Back or Forward, whether there is a run at all, without a line in the log for each look, and how many
browsers are connected.
"""

from __future__ import annotations

import re
import secrets
from datetime import UTC, tzinfo
from zoneinfo import ZoneInfo

import streamlit as st
from streamlit.runtime import exists, get_instance
from streamlit.runtime.scriptrunner import get_script_run_ctx

COOKIE = "fbseg_owner"
_TOKEN = re.compile(r"[0-9a-f]{32}")

# A cookie and not the link: a link is passed on, and whoever has it would then own the sender's runs. And a
# database beside it: Chromium writes cookies to the disk every 30 s, so that a browser that is killed before
# would no longer own what it has just begun.
_visitor = st.components.v2.component(
    "fbseg.visitor",
    js="""
    const asked = (request) => new Promise((resolve, reject) => {
      request.onsuccess = () => resolve(request.result);
      request.onerror = () => reject(request.error);
    });

    // The token of this browser's database, which takes `token`, or `otherwise` where it has none.
    async function kept(name, token, otherwise) {
      const opening = indexedDB.open(name, 1);
      opening.onupgradeneeded = () => opening.result.createObjectStore(name);
      const database = await asked(opening);
      const store = database.transaction(name, "readwrite").objectStore(name);
      token ??= await asked(store.get(name));
      await asked(store.put(token ?? otherwise, name));
      database.close();
      return token;
    }

    let known; // the token that cookie and database hold

    async function remember({ data, setTriggerValue }) {
      const { name, token } = data;
      const pattern = new RegExp(`(?:^|; )${name}=([0-9a-f]{32})(?:;|$)`);
      const cookie = () => document.cookie.match(pattern)?.[1];
      if (known === token && cookie() === token) return;
      let found = cookie();
      try {
        found = await kept(name, found, token);
      } catch {} // a browser that keeps no databases
      found = cookie() ?? found; // another tab was first
      known = found ?? token;
      document.cookie = `${name}=${known}; path=/; max-age=31536000; samesite=strict`;
      if (known !== token) setTriggerValue("found", known);
    }

    export default function (component) {
      remember(component);
    }
    """,
)


def owner() -> str:
    """This browser's random token, which says whose runs are whose; a cookie keeps it for a year."""
    if "owner" not in st.session_state:
        found = st.context.cookies.get(COOKIE)
        st.session_state["owner"] = found if _is_token(found) else secrets.token_hex(16)
    return st.session_state["owner"]


def remember_owner() -> None:
    """Give the browser its token, so that it is known again."""
    _visitor(key="visitor", data={"name": COOKIE, "token": owner()}, on_found_change=_take_owner)


def _take_owner() -> None:
    found = st.session_state["visitor"].get("found")
    if _is_token(found):
        st.session_state["owner"] = found


def _is_token(found: object) -> bool:
    return isinstance(found, str) and _TOKEN.fullmatch(found) is not None


def travelled() -> bool:
    """Whether it was Back or Forward that asked for this run, as the browser itself says."""
    context = get_script_run_ctx(suppress_warning=True)
    return context is not None and context.is_history_navigation


def heed() -> None:
    """Let a stop or another click take effect here, in code that waits: it raises, as widgets do."""
    if get_script_run_ctx(suppress_warning=True) is not None:  # a download is made outside of any script
        st.session_state.get("page")  # Streamlit looks for requests whenever the state is read


def tell(sentence: str) -> None:
    """Show a sentence for a few seconds, wherever the script is at."""
    if get_script_run_ctx(suppress_warning=True) is not None:
        st.toast(sentence)


def sessions() -> int:
    """How many pages are open in browsers, on this server."""
    return get_instance()._session_mgr.num_active_sessions() if exists() else 0


def clock() -> tzinfo:
    """The visitor's time zone, as far as the browser tells it."""
    try:
        return ZoneInfo(st.context.timezone)
    except (TypeError, ValueError, KeyError):  # a browser that tells none, or one unknown here
        return UTC
