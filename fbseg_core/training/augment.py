"""Training images changed before noise is added: turned by any angle, or lit otherwise."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from fbseg_core.tasks import Content


def turned(content: Content, angles: Tensor) -> Content:
    """Each image and its labels turned about the middle by an angle (B,), rad; past the border the image is
    mirrored. Labels are those of the nearest pixel."""
    height, width = content.labels.shape[1:]
    rows, columns = torch.arange(height) - (height - 1) / 2, torch.arange(width) - (width - 1) / 2
    y, x = rows.view(1, -1, 1), columns.view(1, 1, -1)
    cos, sin = angles.float().cos().view(-1, 1, 1), angles.float().sin().view(-1, 1, 1)
    place = torch.stack([2 * (cos * x - sin * y) / width, 2 * (sin * x + cos * y) / height], -1)

    def looked_up(values: Tensor, mode: str) -> Tensor:
        return F.grid_sample(values, place, mode=mode, padding_mode="reflection", align_corners=False)

    labels = looked_up(content.labels.float()[:, None], "nearest")[:, 0].long()
    return Content(looked_up(content.clean, "bilinear"), labels, content.info)


def brightened(content: Content, factors: Tensor) -> Content:
    """Each image times a factor (B,)."""
    clean = content.clean * factors.float().view(-1, 1, 1, 1)
    return Content(clean, content.labels, content.info)
