"""What a lesson's player is sent, and what its sentence may say: shared by the tests of lessons."""

import functools
import json
import re
import struct

import numpy as np
from driven import explore as app

from pages.explore.lessons import LESSONS


@functools.cache
def sent(key):
    """The header and the blocks that a lesson's player is sent."""
    raw = app(lesson=key).get("bidi_component")[0].proto.bytes
    start = 4 + struct.unpack("<I", raw[:4])[0]
    head, blocks = json.loads(raw[4:start]), {}
    for name, (offset, kind, shape, lo, hi) in head["blocks"].items():
        values = np.frombuffer(raw, kind, int(np.prod(shape)), start + offset).reshape(shape).astype(float)
        blocks[name] = lo + (hi - lo) * values / (65535 if kind == "uint16" else 255)
    return head, blocks


def curves(key, which="run"):
    return {name: np.array(values, float) for name, values in sent(key)[0]["curves"][which].items()}


def says(key, *phrases):
    """A lesson says these phrases, and no number outside them."""
    rest = LESSONS[key].look.replace("F1", "")
    phrases = [phrase.replace("F1", "") for phrase in phrases]
    for phrase in phrases:
        assert phrase in rest, phrase
        rest = rest.replace(phrase, "")
    assert not re.search(r"\d", rest), rest
