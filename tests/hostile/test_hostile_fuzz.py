"""Seeded fuzzers: python tests/hostile/fuzz.py tries more."""

import pytest
from fuzz import FUZZERS, faults


@pytest.mark.parametrize("name", FUZZERS)
@pytest.mark.parametrize("count, seed", [(60, 1), pytest.param(1000, 0, marks=pytest.mark.slow)])
def test_everything_is_taken_or_refused_in_one_sentence(name, count, seed):
    assert not faults(name, count, seed)
