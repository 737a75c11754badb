"""No accelerator is needed: a tensor on the meta device has no values, so that whatever reads one raises."""

import pytest
import torch

from fbseg_core import ShapesConfig, State, Switches, TrainConfig, build, fit, iterate, make_batch
from fbseg_core.__main__ import main
from fbseg_core.analysis.jacobian import leading_eigenvalues, lyapunov
from fbseg_core.analysis.probes import response
from fbseg_core.checkpoint import versions
from fbseg_core.config import ModelConfig
from fbseg_core.device import new_models_on, of_new_models, pick, title
from fbseg_core.models.mechanisms import PROJECTIONS
from fbseg_core.rollout.interventions import Perturb, intervene
from fbseg_core.scores.evaluate import evaluate
from fbseg_core.settings import ConfigError

SMALL = ModelConfig(width=4, depth=1, steps=3)
DISTINCT = tuple(-0.5 - 0.1 * i for i in range(SMALL.u + SMALL.v))
TASK = ShapesConfig(side=16)
X = torch.zeros(2, 3, 16, 16)
META = torch.device("meta")


def on_meta(**changes):
    return build(SMALL.replace(**changes)).to(META)


@pytest.mark.parametrize(
    "changes, switches",
    [
        ({}, Switches()),
        ({}, Switches(softmax=False)),
        ({}, Switches(decay=False)),
        ({}, Switches(clock=1, tau=0.5)),
        ({}, Switches(kernel="fractional")),
        ({}, Switches(loop=False)),
        ({}, Switches(spectrum=DISTINCT)),
        ({"spectrum": DISTINCT}, Switches()),
        ({"spectrum": DISTINCT}, Switches(softmax=False, decay=False)),
        ({"norm": "batch"}, Switches()),
        ({"norm": "batch"}, Switches(batch_statistics=True)),
        ({"kind": "loop_cut"}, Switches()),
        ({"kind": "feedforward"}, Switches()),
        ({"kind": "feedforward", "norm": "batch"}, Switches()),
    ],
)
def test_a_step_never_waits_for_its_device(changes, switches):
    model, x = on_meta(**changes), X.to(META)
    prepared = model.prepare(x, switches)
    h = model.initial(x)
    for t in range(4):  # past the last step that batch norm has statistics of
        h, delta, *_ = model.step(x, h, t, switches=switches, prepared=prepared)
        assert h.device == delta.device == META
    assert model.readout(h).shape == (2, 2, 16, 16)


def test_a_step_that_does_wait_is_found_out(monkeypatch):
    monkeypatch.setitem(PROJECTIONS, "waits", lambda v: v / float(v.detach().max()))
    model = on_meta(projection="waits")
    with pytest.raises(RuntimeError, match="meta"):
        model.step(X.to(META), model.initial(X.to(META)), 0)


@pytest.mark.parametrize("kind", ["feedback", "loop_cut", "feedforward"])
def test_image_and_start_are_brought_to_the_model(kind):
    model = on_meta(kind=kind)
    assert next(iterate(model, X)).h.device == META
    start = State(2, torch.zeros(2, model.state_channels, 16, 16))
    first = next(iterate(model, X, start))
    assert first.t == 2 and first.h.device == META and start.h.device.type == "cpu"


def test_a_batch_moves_as_a_whole():
    batch = make_batch(TASK, 2, 0)
    moved = batch.to(META)
    assert moved.x.device == moved.labels.device == META and moved.info is batch.info
    assert torch.equal(batch.to(torch.device("cpu")).x, batch.x)


def test_new_models_stand_where_the_program_says_with_the_weights_of_their_seed():
    with new_models_on(META):
        assert of_new_models() == META and build(SMALL).device == META
    assert build(SMALL).device.type == "cpu"
    with torch.device("meta"):  # a default of torch's own makes no other weights
        inside = build(SMALL, 3)
    for one, other in zip(inside.parameters(), build(SMALL, 3).parameters()):
        assert torch.equal(one, other)


@pytest.mark.parametrize("found", [False, True])
def test_auto_is_cuda_where_there_is_one(monkeypatch, found):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: found)
    assert pick("auto").type == ("cuda" if found else "cpu") and pick("cpu").type == "cpu"
    if found:
        assert pick("cuda").type == "cuda"
    else:
        with pytest.raises(ConfigError, match=r"^device: .*cpu or auto\.$"):
            pick("cuda")


@pytest.mark.parametrize(
    "command",
    [
        ["eval", "shapes-feedback"],
        ["train", "shapes-matched", "--out", "never.safetensors"],
        ["bench"],
        ["experiment", "fewshot", "--profile", "tiny"],
    ],
)
def test_a_device_that_is_not_there_is_refused_in_one_sentence(monkeypatch, capsys, command):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert main([*command, "--device", "cuda"]) == 2
    out, error = capsys.readouterr()
    assert not out and error.startswith("device: ") and error.count("\n") == 1


def test_results_say_the_device(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "A card")
    assert title(torch.device("cpu")) == "cpu" and title(torch.device("cuda")) == "cuda (A card)"
    assert versions(torch.device("cuda"))["device"] == "cuda (A card)"
    assert versions(torch.device("cpu")) == versions()  # as in every card so far


def test_the_random_state_of_every_device_is_left_as_found(monkeypatch):
    def seeded(*_):
        raise AssertionError("a global generator was seeded")

    for module, name in (
        (torch, "manual_seed"),
        (torch.cuda, "manual_seed"),
        (torch.cuda, "manual_seed_all"),
    ):
        monkeypatch.setattr(module, name, seeded)
    before = torch.get_rng_state()
    model = build(SMALL, 5)
    batch = make_batch(TASK, 1, 0)
    list(fit(model, TASK, TrainConfig(batch=2, updates=2, eval_every=1, flips=True)))
    intervene(model, TASK, batch, 3, [Perturb(t=1)])
    state = State(1, torch.ones(1, model.state_channels, 16, 16))
    response(model, batch.x, state, 1.0, 2)
    lyapunov(model, batch.x, state, 3)
    leading_eigenvalues(model, batch.x, state, 1, most=8)
    evaluate(model, batch, 2)
    assert torch.equal(before, torch.get_rng_state())
