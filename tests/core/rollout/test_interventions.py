import base64
import zlib

import numpy as np
import pytest
import torch

from fbseg_core import ConfigError, Switches, load, rollout
from fbseg_core.models.base import AS_BUILT
from fbseg_core.rollout.interventions import (
    Flip,
    Freeze,
    Paint,
    Perturb,
    Swap,
    intervene,
    pack_mask,
    parse_intervention,
    unpack_mask,
)
from fbseg_core.rollout.trajectory import State, join
from fbseg_core.tasks import draw

T = 6


@pytest.fixture(scope="module")
def setting():
    model, card = load("grouping-feedback")
    batch = draw(card.task, 3, 4)
    return model, card.task, batch, rollout(model, batch.x, T)


def run(setting, *items, switches=AS_BUILT):
    model, task, batch, _ = setting
    return intervene(model, task, batch, T, items, switches)


def everywhere(task):
    return pack_mask(np.ones((task.side, task.side), bool))


def test_nothing_done_and_things_past_the_end_leave_the_run_bit_for_bit(setting):
    untouched = setting[3]
    for result in (
        run(setting),
        run(setting, Perturb(t=T + 1, size=5.0)),
        run(setting, Perturb(t=2, size=0.0)),
    ):
        assert torch.equal(result.trajectory.h, untouched.h)
        assert torch.equal(result.trajectory.delta, untouched.delta)
        assert torch.equal(result.x[:, 0], setting[2].x.expand_as(result.x[:, 0]))


@pytest.mark.parametrize("switch", ["loop", "softmax", "decay"])
def test_a_flip_equals_a_rollout_continued_with_that_switch(setting, switch):
    model, _, batch, untouched = setting
    result = run(setting, Flip(t=2, switch=switch))
    rest = rollout(model, batch.x, T - 2, untouched.state(2), Switches(**{switch: False}))
    assert torch.equal(result.trajectory.h[:3], untouched.h[:3])
    assert torch.equal(result.trajectory.h[2:], rest.h)
    back = run(setting, Flip(t=2, switch=switch), Flip(t=2, switch=switch, on=True))
    assert torch.equal(back.trajectory.h, untouched.h)


def test_a_cut_loop_feeds_back_zero_from_there_and_only_there(setting):
    v_hat = run(setting, Flip(t=2)).trajectory.v_hat
    assert torch.equal(v_hat[:2], setting[3].v_hat[:2])
    assert v_hat[2:].abs().max() == 0
    assert run(setting, Flip(t=0)).trajectory.v_hat is None


def test_a_frozen_clock_repeats_the_gain_of_its_step_and_runs_again(setting):
    model, _, _, untouched = setting
    frozen = run(setting, Freeze(t=3)).trajectory
    gain = frozen.update[:, 0] / frozen.residual[:, 0]
    want = [float(model.gain(min(t, 3))[0]) for t in range(T)]
    assert gain.numpy() == pytest.approx(want, rel=1e-4)
    assert torch.equal(run(setting, Freeze(t=3), Freeze(t=3, on=False)).trajectory.h, untouched.h)


def test_a_perturbation_is_seeded_has_its_size_and_is_seen_at_its_own_step(setting):
    untouched = setting[3]
    perturbed = run(setting, Perturb(t=2, size=0.5, seed=1)).trajectory
    assert torch.equal(perturbed.h[:2], untouched.h[:2])
    change = perturbed.h[2] - untouched.h[2]
    assert float(change.std()) == pytest.approx(0.5, rel=0.02)
    assert torch.equal(perturbed.h, run(setting, Perturb(t=2, size=0.5, seed=1)).trajectory.h)
    assert not torch.equal(perturbed.h, run(setting, Perturb(t=2, size=0.5, seed=2)).trajectory.h)


def test_a_swap_changes_image_and_truth_and_keeps_the_state(setting):
    model, task, batch, untouched = setting
    result, new = run(setting, Swap(t=2, seed=9, noise=1)), draw(task, 9, 1)
    assert torch.equal(result.trajectory.h[:3], untouched.h[:3])
    assert torch.equal(result.trajectory.h[2:], rollout(model, new.x, T - 2, State(2, untouched.h[2])).h)
    assert torch.equal(result.labels[1], batch.labels) and torch.equal(result.labels[2], new.labels)
    assert torch.equal(result.x[-1], new.x) and len(result.x) == len(result.labels) == T + 1


def test_at_the_last_step_the_edit_is_what_is_shown(setting):
    result = run(setting, Perturb(t=T, size=1.0))
    assert torch.equal(result.trajectory.h[:T], setting[3].h[:T])
    assert not torch.equal(result.trajectory.h[T], setting[3].h[T])


def test_paint_gives_marked_pixels_the_mean_state_of_shape_pixels(setting):
    model, task, _, untouched = setting
    mask = np.zeros((task.side, task.side), bool)
    mask[:5] = True
    h = run(setting, Paint(t=4, target="v", mask=pack_mask(mask))).trajectory.h[4, 0]
    before = untouched.h[4, 0]
    shape = untouched.logits[4, 0].argmax(0) > 0
    u = model.config.u
    assert torch.equal(h[:u], before[:u]) and torch.equal(h[:, 5:], before[:, 5:])
    assert torch.allclose(h[u:, 2, 7], before[u:, shape].mean(1))


def test_erasing_the_state_erases_the_mask_there(setting):
    result = run(setting, Paint(t=4, target="h", like="background", mask=everywhere(setting[1])))
    assert setting[3].logits[4].argmax(1).sum() > 0
    assert result.trajectory.logits[4].argmax(1).sum() == 0


def test_what_cannot_act_says_so_and_the_rest_of_the_run_stands(setting):
    small = Paint(t=2, mask=pack_mask(np.ones((8, 8), bool)))
    both = Paint(t=T, target="h", like="background", mask=everywhere(setting[1]))
    result = run(setting, small, both, Paint(t=T, mask=everywhere(setting[1])))
    assert len(result.refused) == 2 and "48" in result.refused[0] and "shape" in result.refused[1]
    assert torch.equal(result.trajectory.h[:T], setting[3].h[:T])


def test_an_overflow_ends_the_run_where_it_happened(setting):
    result = run(setting, Flip(t=3, switch="decay"), switches=Switches(spectrum=(10.0,), tau=0.05))
    assert "step" in result.trajectory.stopped
    assert len(result.x) == len(result.trajectory) + 1 <= T


def test_join_refuses_parts_that_do_not_follow(setting):
    with pytest.raises(ValueError, match="ends at step 6"):
        join([setting[3], setting[3]])


def test_masks_survive_packing_and_are_short(setting):
    mask = np.random.default_rng(0).random((48, 48)) > 0.5
    assert (unpack_mask(pack_mask(mask), (48, 48)) == mask).all()
    assert len(pack_mask(np.zeros((64, 64), bool))) < 40


def deflated(n):
    return base64.urlsafe_b64encode(zlib.compress(bytes(n))).decode()


@pytest.mark.parametrize(
    "bad", ["", "x", "%%%", "AAAA", "é", "=" * 9, deflated(8), deflated(10**7), deflated(288)[:-4]]
)
def test_a_mask_that_is_none_is_refused_in_one_sentence(bad):
    with pytest.raises(ConfigError, match="48 × 48"):
        unpack_mask(bad, (48, 48))


@pytest.mark.parametrize(
    "bad",
    [
        None, 7, [], {}, {"kind": []}, {"kind": "explode"}, {"kind": "perturb", "size": float("inf")},
        {"kind": "perturb", "size": -1}, {"kind": "flip", "switch": "tau"}, {"kind": "swap", "seed": 10**40},
        {"kind": "freeze", "t": -1}, {"kind": "paint", "mask": "A" * 30_000}, {"kind": "perturb", "more": 1},
    ],
)  # fmt: skip
def test_hostile_interventions_are_refused(bad):
    with pytest.raises(ConfigError):
        parse_intervention(bad)


def test_a_perturbation_of_an_earlier_link_is_read():
    assert parse_intervention({"kind": "kick", "t": 3, "size": 2.0}) == Perturb(t=3, size=2.0)


def test_interventions_survive_a_round_trip():
    for item in (
        Flip(t=3, switch="decay"),
        Freeze(t=1),
        Swap(seed=7),
        Perturb(t=2, size=0.3),
        Paint(mask="AA"),
    ):
        assert parse_intervention(item.model_dump(mode="json")) == item
