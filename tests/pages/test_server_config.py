"""What the server is told for all who visit it."""

import tomllib

from driven import ROOT
from streamlit.watcher.path_watcher import NoOpPathWatcher, get_path_watcher_class

SERVER = tomllib.loads((ROOT / ".streamlit/config.toml").read_text())["server"]


def test_no_visitor_waits_for_a_search_of_all_that_is_imported():
    assert get_path_watcher_class(SERVER["fileWatcherType"]) is NoOpPathWatcher


def test_only_this_machine_reaches_a_server_that_nobody_opened_up():
    assert SERVER["address"] == "localhost"
