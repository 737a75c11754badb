"""Memory as tensors take it: the most bytes that were held at once while some work ran."""

from __future__ import annotations

import weakref
from collections.abc import Callable

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter


def peak_bytes(work: Callable[[], object]) -> int:
    """Most bytes of tensors made by `work` and alive at once, on this thread and its backward passes.

    A count and not a measurement, from every operator's results until their storage is freed: it is the same
    on every run and machine. What was there before is not in it, nor is the scratch memory that operators
    take and give back within themselves; the process holds more.
    """
    with _Alive() as alive:
        work()
    return alive.peak


class _Alive(TorchDispatchMode):
    """Sees every operator; known: storage's address -> its bytes, 0 for one that came from outside."""

    def __init__(self) -> None:
        super().__init__()
        self.known: dict[int, int] = {}
        self.now = self.peak = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        self._see((args, kwargs), new=False)
        result = func(*args, **kwargs)
        self._see(result, new=True)
        return result

    def _see(self, values: object, new: bool) -> None:
        for value in tree_iter(values):
            if not isinstance(value, Tensor):
                continue
            storage = value.untyped_storage()
            if storage._cdata in self.known:
                continue
            self.known[storage._cdata] = storage.nbytes() if new else 0
            self.now += self.known[storage._cdata]
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, self._freed, storage._cdata)

    def _freed(self, address: int) -> None:
        self.now -= self.known.pop(address)
