"""Which forms of a test each tier asks: pyproject.toml says what the tiers are."""

from collections.abc import Collection, Iterable

import pytest


def forms(every: Iterable, often: Collection = (), slow: Collection = ()) -> list:
    """Parameters of a test, a tuple where it takes several: `often` in every run, `slow` by -m slow, the rest
    by -m thorough.
    """

    def marked(one):
        values = one if isinstance(one, tuple) else (one,)
        return pytest.param(*values, marks=pytest.mark.slow if one in slow else pytest.mark.thorough)

    return [one if one in often else marked(one) for one in every]
