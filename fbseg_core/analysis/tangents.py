"""How a map moves a small change: products of its Jacobian at a point."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import torch
from torch import Tensor


class Linearised:
    """A map f near a point: J w and Jᵀ w of its Jacobian J there, as often as asked, for any w.

    J w is had by going back twice: u ↦ Jᵀu is linear, and its own transpose is J. PyTorch's forward mode
    (2.13) gives the same at more than twice the time a product, to one thread of the process at a time, and
    imports its compiler for it, 80 MB that stay. What f computes at the point is kept as long as this is.

    f: a tensor of any shape to one of any shape. at: the point.
    """

    def __init__(self, f: Callable[[Tensor], Tensor], at: Tensor) -> None:
        with torch.enable_grad():
            self._at = at.detach().requires_grad_()
            self._value = f(self._at)

    @property
    def value(self) -> Tensor:
        """f at the point."""
        return self._value.detach()

    def push(self, w: Tensor) -> Tensor:
        """J w, of the shape of f's value, of a change w of the point's."""
        u, back = self._transposed
        return _through(back, w, u, retain_graph=True)

    def pull(self, w: Tensor) -> Tensor:
        """Jᵀ w, of the shape of the point, of a w of the shape of f's value."""
        return _through(self._value, w, self._at, retain_graph=True)

    @cached_property
    def _transposed(self) -> tuple[Tensor, Tensor]:
        """Some u, and Jᵀu as it hangs on u."""
        u = torch.zeros_like(self._value, requires_grad=True)
        return u, _through(self._value, u, self._at, create_graph=True)


def _through(value: Tensor, w: Tensor, at: Tensor, **how: bool) -> Tensor:
    """Aᵀ w of what `value` (A at, to first order) came of; zeros where it hangs on nothing.

    As the gradient of ⟨value, w⟩: handed w itself, PyTorch imports SymPy to compare two shapes.
    """
    if not value.requires_grad:
        return torch.zeros_like(at, requires_grad=False)
    with torch.enable_grad():
        return torch.autograd.grad((value * w).sum(), at, materialize_grads=True, **how)[0]
