"""How a map moves a small change: Jacobian-vector products."""

from __future__ import annotations

import threading
from collections.abc import Callable

from torch import Tensor
from torch.func import jvp

# PyTorch keeps the level of its forward mode for the whole process: a thread that leaves it takes it from others.
_alone = threading.Lock()


def pushed(f: Callable[[Tensor], Tensor], at: Tensor, change: Tensor) -> Tensor:
    """J w of f's Jacobian J at a point, and a change w of its shape; of f's shape. For any number of threads."""
    with _alone:
        return jvp(f, (at,), (change,))[1]
