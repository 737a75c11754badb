"""Who gives way where too much is kept."""

import numpy as np

from pages.jobs.shares import SINCE, Held, Share, expired, last_used, surplus

FEW, PLENTY = Share(3, 100), Share(10**6, 10**12)


def held(name, owner, at, size=1):
    return Held(name, tuple(owner), size, at)


def test_each_owner_gives_up_their_own_oldest():
    things = [held(f"a{i}", "a", i) for i in range(5)] + [held("b0", "b", 0)]
    assert surplus(things, FEW, PLENTY) == [("a0", "a"), ("a1", "a")]
    large = [held("a0", "a", 0, 60), held("a1", "a", 1, 60), held("b0", "b", 0, 90)]
    assert surplus(large, FEW, PLENTY) == [("a0", "a")]


def test_the_latest_stays_however_large():
    assert surplus([held("a0", "a", 0, 500)], FEW, PLENTY) == []


def test_whoever_holds_most_gives_way_for_all():
    things = [held(f"a{i}", "a", 10 + i) for i in range(8)] + [held(f"b{i}", "b", i) for i in range(2)]
    gone = surplus(things, PLENTY, Share(4, 100))
    assert gone[:5] == [(f"a{i}", "a") for i in range(5)] and ("b1", "b") not in gone
    assert len(gone) == 6


def test_what_several_hold_stays_until_it_goes_for_the_last():
    shared = held("shared", "ab", 0)
    things = [shared, *(held(f"a{i}", "a", 1 + i) for i in range(3))]
    assert surplus(things, FEW, PLENTY) == [("shared", "a")]  # b has it still


def test_one_visitor_never_pushes_out_what_those_with_less_hold():
    rng = np.random.default_rng(0)
    for _ in range(200):
        things = [held(f"flood{i}", "x", float(rng.random())) for i in range(int(rng.integers(1, 40)))]
        others = [held(f"{owner}{i}", owner, float(rng.random())) for owner in "abc" for i in range(2)]
        gone = surplus([*things, *others], Share(20, 100), Share(12, 1000))
        assert {owner for _, owner in gone} <= {"x"}


def test_what_nobody_used_for_long_goes_but_not_by_a_clock_that_was_wrong():
    now = SINCE + 1e8
    assert expired(now - 101, now, 100) and not expired(now - 99, now, 100)
    assert not expired(now + 1e6, now, 100)  # the clock was set back since
    assert not expired(0.0, now, 100)  # written before the clock was set


def test_after_the_clock_was_set_back_what_is_new_is_not_the_oldest():
    now = SINCE + 1e6
    times = {"before": now + 1e5, "after": now - 5}
    things = [held(name, "a", last_used(at, now)) for name, at in times.items()]
    assert surplus(things, Share(1, 100), PLENTY) == [("before", "a")]
    assert not expired(last_used(now + 1e9, now), now, 100)
