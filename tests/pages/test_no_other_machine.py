"""That the tests of pages would find a page that reaches for another machine."""

import socket

import pytest


@pytest.mark.parametrize("address", [("192.0.2.1", 80), ("example.invalid", 443)])
def test_another_machine_cannot_be_reached_while_a_page_is_tested(address):
    with pytest.raises(ConnectionRefusedError, match="a page reached for"):
        socket.create_connection(address, timeout=1)


def test_this_machine_can():
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname(), timeout=1).close()
