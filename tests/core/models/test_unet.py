import pytest
import torch
import torch.nn.functional as F

from fbseg_core.config import ModelConfig, Switches
from fbseg_core.models.registry import build
from fbseg_core.models.unet import StepBatchNorm, UNet
from fbseg_core.rollout.trajectory import rollout

X = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def unet(depth=2, norm="group", v=3):
    torch.manual_seed(0)
    return UNet(2, v, 5, width=4, depth=depth, norm=norm, steps=3).eval()


@pytest.mark.parametrize("size", [(16, 16), (17, 23), (33, 16), (40, 64)])
@pytest.mark.parametrize("depth", [0, 1, 4])
def test_any_size_from_16_px_on(size, depth):
    model = unet(depth)
    assert model(model.drive(torch.randn(1, 2, *size)), torch.randn(1, 3, *size)).shape == (1, 5, *size)


def test_no_feedback_is_zero_feedback():
    model = unet()
    drive = model.drive(torch.randn(1, 2, 16, 16))
    assert torch.allclose(model(drive), model(drive, torch.zeros(1, 3, 16, 16)), atol=1e-5)


def test_batch_norm_keeps_the_statistics_of_each_step_apart():
    norm = StepBatchNorm(2, steps=3, momentum=0.5)
    x = [torch.randn(64, 2, 4, 4) * (t + 1) + 10 * t for t in range(2)]
    for _ in range(30):
        for t in range(2):
            norm(x[t], t, False)
    norm.eval()
    for t in range(2):
        assert torch.allclose(norm(x[t], t, False), norm(x[t], t, True), atol=1e-2)
    assert torch.equal(norm(x[1], 7, False), norm(x[1], 1, False))  # past the last trained step
    assert not torch.allclose(norm(x[1], 0, False), norm(x[1], 1, False), atol=1.0)


@pytest.mark.parametrize("norm", ["batch", "none"])
@pytest.mark.parametrize("size", [(16, 16), (17, 23), (31, 16)])
def test_any_size_from_16_px_on_with_every_norm(norm, size):
    model = UNet(2, 3, 5, width=4, depth=4, norm=norm, steps=3).eval()
    out = model(model.drive(torch.randn(1, 2, *size)), torch.randn(1, 3, *size))
    assert out.shape == (1, 5, *size) and torch.isfinite(out).all()


def test_whole_network_equals_the_one_fed_both_inputs_at_once():
    model = UNet(2, 3, 5, width=4, depth=2, norm="group", steps=3)
    x, v_hat = torch.randn(2, 2, 17, 19), torch.randn(2, 3, 17, 19)
    assert torch.allclose(
        model(model.drive(x), v_hat), model(model.stem.conv(torch.cat([x, v_hat], 1))), atol=1e-5
    )


def test_bias_of_the_first_layer_enters_once():
    model = UNet(2, 3, 5, width=4, depth=0, norm="none", steps=3)
    with torch.no_grad():
        model.stem.conv.bias += torch.arange(1.0, 5)
    assert torch.allclose(model.drive(torch.zeros(1, 2, 16, 16))[0, :, 0, 0], model.stem.conv.bias)


def test_batch_norm_in_training_is_the_true_batch_norm_of_each_call():
    norm, x = StepBatchNorm(3, 2), torch.randn(4, 3, 5, 5) * 3 + 1
    reference = torch.nn.BatchNorm2d(3)
    assert torch.allclose(norm(x, 1, False), reference(x), atol=1e-6)
    assert torch.allclose(norm.running_mean[1], reference.running_mean)
    assert torch.allclose(norm.running_var[1], reference.running_var)
    assert not norm.running_mean[0].any() and norm.batches.tolist() == [0, 1]


@pytest.mark.parametrize("batch_statistics", [False, True])
def test_batch_norm_in_evaluation_leaves_its_statistics_alone(batch_statistics):
    norm = StepBatchNorm(2, 3)
    norm(torch.randn(4, 2, 3, 3), 0, False)
    before = {key: value.clone() for key, value in norm.state_dict().items()}
    norm.eval()(torch.randn(4, 2, 3, 3), 1, batch_statistics)
    assert all(torch.equal(before[key], value) for key, value in norm.state_dict().items())


def test_running_statistics_learned_in_the_loop_fit_every_step():
    model = build(ModelConfig(width=4, depth=1, u=3, v=2, steps=4, norm="batch")).train()
    for _ in range(40):
        rollout(model, X, 4)
    model.eval()
    running = rollout(model, X, 4)
    batch = rollout(model, X, 4, switches=Switches(batch_statistics=True))
    for t in range(4):
        assert F.mse_loss(running.delta[t], batch.delta[t]) < 1e-2 * batch.delta[t].square().mean()


def test_steps_past_the_last_trained_one_use_its_statistics():
    model = build(ModelConfig(width=4, depth=1, u=3, v=2, steps=6, norm="batch")).train()
    rollout(model, X, 2)
    norm = model.eval().F.stem.norm
    x = torch.randn(1, 4, 8, 8)
    assert norm.batches.tolist() == [1, 1, 0, 0, 0, 0]
    assert torch.equal(norm(x, 5, False), norm(x, 1, False)) and not torch.equal(
        norm(x, 0, False), norm(x, 1, False)
    )
