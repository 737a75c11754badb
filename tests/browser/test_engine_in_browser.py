"""The engine against the core: one step from torch's own h(t), free runs, both builds, models of all kinds.

Errors are relative to the largest value of the array that is compared.
"""

import itertools
import math

import pytest
import torch
from engine_page import distance, reference, scripts, stepped
from tiers import forms

from fbseg_core import ModelConfig, Switches, build, load, make_batch, rollout
from fbseg_core.checkpoint import shipped
from fbseg_core.models.unet import StepBatchNorm
from pages.engine.weights import packed

pytestmark = pytest.mark.browser
CLOSE = 1e-4
SWITCHES = [
    Switches(),
    Switches(loop=False),
    Switches(softmax=False),
    Switches(softmax=True),
    Switches(decay=False),
    Switches(decay=True),
    Switches(decay=True, tau=40.0),
    Switches(decay=True, spectrum=(0.3,)),
    Switches(decay=True, spectrum=tuple(-i / 7 for i in range(64))),
    Switches(decay=True, clock=3),
    Switches(kernel="fractional"),
    Switches(integrator="leaky"),
    Switches(integrator="leaky", k=0.9, decay=True),
    Switches(integrator="sum", loop=False),
]


@pytest.fixture(scope="module")
def page(chromium):
    page = chromium.new_page()
    page.add_script_tag(content=scripts())
    yield page
    page.close()


def switched(model):
    """Those of SWITCHES that mean something for a model, eigenvalues as many as it takes."""
    for switches in SWITCHES:
        if switches.spectrum and len(switches.spectrum) > 1:
            switches = switches.replace(spectrum=switches.spectrum[: model.state_channels])
        if switches.changed().keys() <= model.traits.switches:
            yield switches


def check_steps(page, model, x, cases, simd=True):
    """One step of engine and core from each (h, t, switches), x (C, H, W)."""
    found = stepped(page, packed(model, tuple(x.shape[1:])), x, [(*case, 1) for case in cases], simd)
    for (step,), (h, t, switches) in zip(found, cases):
        leaks = "integrator" in model.traits.switches and model.integrator(switches) == "leaky"
        error = distance(step, reference(model, x, h, t, switches), leaks)
        assert error <= CLOSE, (error, t, switches)


OFTEN = ("grouping-feedback",)
MANY = "digits-feedback"  # of more than two classes, which a run is held for
EACH = [name for name in shipped() if name.startswith(("grouping", "shapes"))]


@pytest.mark.parametrize("name", forms(EACH, OFTEN, slow=EACH[::3]))
def test_a_step_from_the_core_s_own_state_is_the_core_s(page, name):
    model, card = load(name)
    x = make_batch(card.task, 1, seed=3).x
    h = rollout(model, x, 20).h[:, 0]
    warm = h[4]
    cases = [(warm, 4, switches) for switches in switched(model)]
    check_steps(page, model, x[0], [*cases, (h[0], 0, Switches()), (h[20], 20, Switches())])


@pytest.mark.parametrize("name", forms([*EACH, MANY], OFTEN, slow=[*EACH[::3], MANY]))
def test_a_run_of_thirty_steps_ends_in_the_core_s_mask(page, name):
    model, card = load(name)
    x = make_batch(card.task, 1, seed=4).x
    wanted = rollout(model, x, 30).logits[1:, 0].argmax(1)
    (steps,) = stepped(
        page, packed(model, card.task.size), x[0], [(None, 0, Switches(), 30)], wanted=["t", "logits"]
    )
    found = torch.stack([step["logits"] for step in steps]).argmax(1)
    assert [step["t"] for step in steps] == list(range(1, 31))
    assert (found == wanted).float().mean((1, 2)).min() >= 0.999


@pytest.mark.parametrize("name", ["grouping-feedback", "shapes-no-both"])
def test_without_simd_every_bit_is_the_same(page, name):
    model, card = load(name)
    x = make_batch(card.task, 1, seed=3).x[0]
    starts = [(None, 0, Switches(), 5), (None, 0, Switches(loop=False), 2)]
    fast, plain = (stepped(page, packed(model, card.task.size), x, starts, simd) for simd in (True, False))
    for one, other in zip(itertools.chain(*fast), itertools.chain(*plain)):
        assert all(
            value is None or torch.equal(value, other[name]) for name, value in one.items() if name != "t"
        )


# ---- models over the space of settings ------------------------------------------------------------------


def random_model(seed: int, **settings):
    """A small model whose every weight was drawn, and batch norm's statistics of all but its last step."""
    model = build(ModelConfig(**settings), seed)
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "parametrizations" not in name:
                weight += 0.2 * torch.randn(weight.shape, generator=draw)
        for norm in (one for one in model.modules() if isinstance(one, StepBatchNorm)):
            norm.running_mean.copy_(torch.randn(norm.running_mean.shape, generator=draw))
            norm.running_var.copy_(0.5 + torch.rand(norm.running_var.shape, generator=draw))
            norm.batches[: len(norm.batches) - 1] = 1
    return model


def check_model(page, model, size, seed=0, simd=True):
    """From a random state, with each switch at one of the steps."""
    draw = torch.Generator().manual_seed(seed)
    x = torch.randn(model.in_channels, *size, generator=draw)
    h = 2 * torch.randn(model.state_channels, *size, generator=draw)
    cases = [(h, (0, 2, 3)[(seed + i) % 3], switches) for i, switches in enumerate(switched(model))]
    lowest = (size[0] >> model.config.depth) * (size[1] >> model.config.depth)
    if model.config.norm == "batch" and not 1 < lowest < 8:  # few pixels' own statistics magnify rounding
        cases += [(h, 1, Switches(batch_statistics=True))]
    check_steps(page, model, x, cases, simd)


@pytest.mark.parametrize("norm", ["group", "batch", "pixel", "none"])
@pytest.mark.parametrize("kind", ["feedback", "loop_cut", "feedforward"])
def test_every_kind_and_norm_on_odd_sides(page, kind, norm):
    rest = {"width": 3, "depth": 2, "classes": 3, "u": 5, "v": 3, "steps": 4, "delta_norm": norm != "none"}
    spectrum = tuple(-0.2 * i for i in range(8)) if norm == "batch" else (-1.0,)  # with Q, or without
    if norm in ("pixel", "batch"):
        rest |= {"integrator": "leaky", "k": 0.3}
    check_model(page, random_model(1, kind=kind, norm=norm, spectrum=spectrum, **rest), (21, 18))


def test_one_pixel_at_the_lowest_level_has_no_statistics_of_its_own(page):
    check_model(page, random_model(2, norm="batch", width=2, depth=4, steps=4), (16, 31))


SPACE = [
    {
        "kind": ("feedback", "feedback", "loop_cut", "feedforward")[i % 4],
        "norm": ("group", "batch", "none", "pixel")[(i + i // 12) % 4],
        "integrator": ("sum", "leaky")[(i // 5) % 2],
        "k": (0.2, 0.5, 1.0)[i % 3],
        "delta_norm": i % 5 > 0,
        "depth": i % 5,
        "width": (1, 2, 5, 8)[(i // 3) % 4],
        "classes": 2 + i % 4,
        "u": (1, 3, 8)[(i // 2) % 3],
        "v": (1, 2, 6)[(i // 4) % 3],
        "in_channels": 1 + i % 4,
        "projection": ("softmax", "none")[(i // 2) % 2],
        "decay": ("exponential", "none")[(i // 4) % 2],
        "kernel": ("none", "fractional")[(i // 8) % 2],
        "steps": 4,
    }
    for i in range(60)
]


@pytest.mark.parametrize("i", forms(range(len(SPACE)), slow=range(0, len(SPACE), 3)))
def test_models_over_the_space_of_settings(page, i):
    settings = SPACE[i]
    if settings["norm"] == "pixel":  # over two channels it is little but a sign, which magnifies rounding
        settings = settings | {"width": max(settings["width"], 5), "v": 6}
    many = settings["u"] + settings["v"] if i % 7 == 0 else 1
    spectrum = tuple(0.1 - 0.3 * j for j in range(many))
    sides = (16, 17, 19, 24, 31, 33, 40)
    size = sides[i % 7], sides[(i // 2) % 7]
    check_model(page, random_model(i, spectrum=spectrum, **settings), size, i, simd=i % 2 > 0)


# ---- what the core does not do, or not for long -----------------------------------------------------------


def test_numbers_that_overflow_do_so_in_the_engine_too(page):
    model, card = load("shapes-no-decay")
    x = make_batch(card.task, 1, seed=3).x[0]
    h = torch.full((model.state_channels, *card.task.size), math.inf)
    ((step,),) = stepped(page, packed(model, card.task.size), x, [(h, 1, Switches(), 1)])
    for name, value in reference(model, x, h, 1, Switches()).items():
        assert torch.equal(step[name].isnan(), value.isnan()), name
