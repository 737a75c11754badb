"""That the tests of pages would find a page that reaches for another machine."""

import socket

import pytest
from streamlit import config, net_util
from streamlit.web import bootstrap


@pytest.mark.parametrize("address", [("192.0.2.1", 80), ("example.invalid", 443)])
def test_another_machine_cannot_be_reached_while_a_page_is_tested(address):
    with pytest.raises(ConnectionRefusedError, match="a page reached for"):
        socket.create_connection(address, timeout=1)


def test_this_machine_can():
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname(), timeout=1).close()


def test_a_server_for_the_whole_network_starts_without_asking_who_it_is(monkeypatch):
    monkeypatch.setattr(net_util, "get_external_ip", lambda: pytest.fail("it asks another machine"))
    before = {name: config.get_option(name) for name in ("server.address", "server.headless")}
    try:
        config.set_option("server.address", "0.0.0.0")
        config.set_option("server.headless", True)
        bootstrap._print_url(False)
    finally:
        for name, value in before.items():
            config.set_option(name, value)
