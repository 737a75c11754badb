"""How a map moves a small change: Jacobian-vector products."""

from __future__ import annotations

import threading
from collections.abc import Callable

from torch import Tensor
from torch.func import jvp

# PyTorch's forward mode is one for the whole process: a thread that leaves it takes it from the others.
_alone = threading.Lock()


def pushed(f: Callable[[Tensor], Tensor], at: Tensor, change: Tensor) -> Tensor:
    """J w of f's Jacobian J at a point and a change w of its shape, from any number of threads at once."""
    with _alone:
        return jvp(f, (at,), (change,))[1]
