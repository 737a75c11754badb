import pytest
import torch
import torch.nn.functional as F

from fbseg_core.models.unet import StepBatchNorm, UNet


def unet(depth=2, norm="group", v=3):
    torch.manual_seed(0)
    return UNet(2, v, 5, width=4, depth=depth, norm=norm, steps=3).eval()


@pytest.mark.parametrize("size", [(16, 16), (17, 23), (33, 16), (40, 64)])
@pytest.mark.parametrize("depth", [0, 1, 4])
def test_any_size_from_16_px_on(size, depth):
    model = unet(depth)
    assert model(model.drive(torch.randn(1, 2, *size)), torch.randn(1, 3, *size)).shape == (1, 5, *size)


def test_first_layer_in_two_parts_is_one_convolution_of_both():
    model, x, v = unet(), torch.randn(2, 2, 16, 16), torch.randn(2, 3, 16, 16)
    conv = model.stem.conv
    parts = model.drive(x) + F.conv2d(v, conv.weight[:, 2:], padding=1)
    assert torch.allclose(parts, conv(torch.cat([x, v], 1)), atol=1e-5)


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
