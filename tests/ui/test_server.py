"""What the server's log is kept free of."""

import logging
import sys

import pytest
from starlette.requests import ClientDisconnect

from pages.ui.server import is_worth_a_line


@pytest.mark.parametrize("error, told", [(ClientDisconnect, False), (OSError, True), (None, True)])
def test_a_page_that_is_closed_in_mid_upload_leaves_no_traceback_in_the_log(error, told, caplog):
    logger = logging.getLogger("fbseg.closed")
    logger.addFilter(is_worth_a_line)
    try:
        raise error() if error else ValueError
    except Exception:
        logger.error("Exception in ASGI application", exc_info=sys.exc_info() if error else None)
    assert bool(caplog.records) == told
