"""What a lesson's player is sent, and what its sentence may say: shared by the tests of lessons."""

import functools
import re

import numpy as np
from driven import explore as app
from received import payload, unpacked

from pages.explore.lessons import LESSONS


@functools.cache
def sent(key):
    """The header and the blocks that a lesson's player is sent."""
    return unpacked(payload(app(lesson=key)))


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
