"""What a page sends to its component in the browser, read as the browser would (pages/ui/web/wire.py)."""

import json
import struct

import numpy as np
import pytest

from pages.ui.web import wire


def payload(at):
    """The bytes that the page's first component was sent."""
    return at.get("bidi_component")[0].proto.bytes


def header(at):
    """The header of what the page's first component was sent."""
    return parted(payload(at))[0]


def parted(raw):
    """The header, without NaN and Infinity, which no browser reads; and the bytes that follow it."""
    end = 4 + struct.unpack("<I", raw[:4])[0]
    return json.loads(raw[4:end], parse_constant=pytest.fail), raw[end:]


def unpacked(raw):
    """The header, and the blocks as numbers by name."""
    head, rest = parted(raw)
    blocks = {}
    for name, (offset, kind, shape, lo, hi) in head["blocks"].items():
        levels = np.frombuffer(rest, kind, int(np.prod(shape)), offset).reshape(shape).astype(float)
        blocks[name] = lo + (hi - lo) * levels / wire.DTYPES[kind]
    return head, blocks
