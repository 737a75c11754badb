"""Local stability: eigenvalues of the frozen-clock Jacobian, and growth of a tangent along a run.

Both by Jacobian-vector products; no matrix is formed. Where δ is added (E5), ∂h(t+1)/∂h(t) = I + G ∂δ/∂v,
since a step's change depends on h through v alone, the channels that are fed back. So each of the U·H·W
directions in u has eigenvalue 1 exactly (a perturbation of u is never undone), and all others are those of
the map's v block, v ↦ v(t+1), which is what is iterated here. Of a state that leaks (E5'), as of a model
that feeds back all of h, a step depends on all of it: then v stands for all of h, and nothing is neutral.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fbseg_core.analysis.tangents import Linearised
from fbseg_core.config import Switches
from fbseg_core.models.base import AS_BUILT, Model
from fbseg_core.rollout.trajectory import State, rollout
from fbseg_core.settings import ConfigError

Report = Callable[[int], bool]  # told the products done so far; False stops the work
CONVERGED = 1e-2  # largest relative residual of an eigenvalue that is called converged
AGREE = 0.02  # largest difference, per step, between growth rates that are said to agree


@dataclass(frozen=True)
class Spectrum:
    """Leading eigenvalues of J = ∂h(t+1)/∂h(t) at one image and state, the largest |λ| first.

    eigenvalues (k,) complex; the last may be one of a pair. residuals (k,): ‖Jw − λw‖/|λ| of its unit
    eigenvector w, in v. direction (U+V, H, W): real part of the leading eigenvector of the whole J, at unit
    length (zero if there is none).
    neutral: directions of u, whose eigenvalue is 1 exactly. products: Jacobian-vector products taken.
    stopped: why fewer eigenvalues than asked are here, or None.
    |λ| > 1 is growth, with the clock frozen, of small changes at this state only. It tells nothing of large
    changes, nor of the run with its clock going.
    """

    eigenvalues: np.ndarray
    residuals: np.ndarray
    direction: Tensor
    neutral: int
    products: int
    stopped: str | None = None

    @property
    def radius(self) -> float:
        """The largest |λ|, at least 1 where u's neutral directions are."""
        return float(np.abs(self.eigenvalues).max(initial=1.0 if self.neutral else 0.0))

    @property
    def converged(self) -> bool:
        return self.stopped is None and bool((self.residuals <= CONVERGED).all())


@dataclass(frozen=True)
class Growth:
    """Finite-time Lyapunov exponents of a run: how fast small changes of two start directions grew.

    rates (2, T): log of the growth at each step. stopped: why fewer steps than asked were taken, or None.
    With the clock running the map tends to the identity, so every exponent tends to 0 as T grows: not by
    F's doing, and a change once made is kept. A direction's growth bounds the largest from below.
    From rest, v = 0, the first rate is that of norm(v), which magnifies the least change: start at t ≥ 1.
    """

    rates: np.ndarray
    stopped: str | None = None

    @property
    def exponents(self) -> np.ndarray:
        """Growth rate per step of each direction over the whole run, (2,)."""
        return self.rates.mean(1)

    @property
    def exponent(self) -> float:
        """The larger of the two."""
        return float(self.exponents.max())

    @property
    def halves(self) -> np.ndarray:
        """That direction's rate in the first and the second half, (2,)."""
        fastest = self.rates[self.exponents.argmax()]
        middle = len(fastest) // 2
        return np.array([fastest[:middle].mean(), fastest[middle:].mean()])

    @property
    def converged(self) -> bool:
        """Whether both directions and both halves agree, so that it is the run's rate, not a transient."""
        return bool(max(np.ptp(self.exponents), np.ptp(self.halves)) <= AGREE)


class _Stop(Exception):
    pass


@torch.no_grad()
def leading_eigenvalues(
    model: Model,
    x: Tensor,
    state: State,
    k: int = 4,
    switches: Switches = AS_BUILT,
    *,
    clock: int | None = None,
    seed: int = 0,
    tolerance: float = 1e-3,
    most: int = 120,
    verify: bool = True,
    report: Report | None = None,
) -> Spectrum:
    """The k leading eigenvalues of the frozen-clock map at `state`, by ARPACK (implicitly restarted Arnoldi).

    x (1, C, H, W), state.h (1, U+V, H, W). The clock stands at `clock`, or at state.t if None. `seed` draws
    the start vector; `tolerance` is ARPACK's; at most about `most` products are taken. verify: look from
    other starts for larger ones that were missed; else they are the leading ones of what one start saw.
    Raises ConfigError for a feedforward model or more than one image.
    """
    h, held = _one_image(model, x, state), switches.replace(clock=state.t if clock is None else clock)
    fed = model.sensitive_channels(held)
    shape = h[:, fed].shape
    is_fed = np.zeros(h.shape[1:], bool)  # of each number of h, whether it is one of v
    is_fed[fed] = True
    is_fed = is_fed.ravel()
    n = shape.numel()
    neutral = h.numel() - n
    done, direction = 0, torch.zeros_like(h[0])
    if not n:  # a step depends on nothing of h: J = I
        return Spectrum(np.ones(k, complex), np.zeros(k), direction, neutral, 0)
    prepared = model.prepare(x.to(model.device), held)

    def onward(v: Tensor) -> Tensor:
        whole = torch.cat([h[:, : fed.start], v, h[:, fed.stop :]], 1)
        return model.step(x, whole, state.t, switches=held, prepared=prepared).h_next

    step = Linearised(onward, h[:, fed])

    def push(flat: np.ndarray) -> np.ndarray:
        """J (0, w), ((U+V)·H·W,), for a change w of v, (V·H·W,)."""
        nonlocal done
        if report is not None and not report(done):
            raise _Stop
        done += 1
        tangent = torch.from_numpy(np.ascontiguousarray(flat.ravel())).to(h).view(shape)
        return step.push(tangent).double().cpu().numpy().ravel()

    def push_complex(w: np.ndarray) -> np.ndarray:
        return push(w.real) + 1j * push(w.imag) if w.imag.any() else push(w.real).astype(complex)

    try:
        values, vectors, stopped = _solve(lambda w: push(w)[is_fed], n, k, seed, tolerance, most, verify)
        residuals = np.zeros(len(values))
        for i, (value, w) in enumerate(zip(values, vectors.T)):
            if i and value.imag and np.isclose(value, values[i - 1].conj()):
                residuals[i] = residuals[i - 1]  # of a pair the one is right where the other is
                continue
            moved = push_complex(w)
            residuals[i] = np.linalg.norm(moved[is_fed] - value * w) / max(abs(value), 1e-300)
            if i == 0:
                # (a, w) is an eigenvector of J if a + ∂u/∂v w = λa; near λ = 1 w only sets off a drift
                whole = moved / (value - 1 if abs(value - 1) > 1e-6 else 1.0)
                whole[is_fed] = w
                whole = whole.real
                direction = torch.from_numpy(whole / np.linalg.norm(whole)).to(h).view_as(h[0])
    except _Stop:
        none = np.empty(0)
        reason = f"stopped after {done} products"
        return Spectrum(none.astype(complex), none, direction, neutral, done, reason)
    return Spectrum(values, residuals, direction, neutral, done, stopped)


@torch.no_grad()
def lyapunov(
    model: Model,
    x: Tensor,
    start: State | None = None,
    steps: int = 40,
    switches: Switches = AS_BUILT,
    *,
    direction: Tensor | None = None,
    seed: int = 0,
    report: Report | None = None,
) -> Growth:
    """Propagate two tangents along the run from `start` (rest if None), renormalised at every step.

    x (1, C, H, W). The tangents start in v, at random by `seed` (a change of u alone never grows); the
    first along `direction` (U+V, H, W), if given. Raises ConfigError for a feedforward model, more than
    one image, or fewer than 2 steps (asked for, or reached before the run overflowed).
    """
    start = start or State(0, model.initial(x))
    h = _one_image(model, x, start)
    run = rollout(model, x, steps, start, switches)
    if len(run) < 2:
        raise ConfigError(f"steps: a growth rate needs 2 steps, and there are {len(run)}.")
    tangents = torch.zeros(2, *h.shape, dtype=h.dtype)
    fed = model.sensitive_channels(switches)
    noise = torch.randn(2, *h[:, fed].shape, generator=torch.Generator().manual_seed(seed))
    tangents[:, :, fed] = noise
    tangents = list(tangents.to(h))
    if direction is not None:
        tangents[0] = direction.to(h)[None]
    tangents = [w / w.norm() for w in tangents]
    prepared = model.prepare(x.to(model.device), switches)
    rates = np.full((2, len(run)), -math.inf)
    stopped = run.stopped
    for index, state in enumerate(run.h[:-1]):
        if report is not None and not report(2 * index):
            stopped = f"stopped after {index} steps"
            rates = rates[:, :index]
            break

        def onward(h: Tensor, t: int = run.start + index) -> Tensor:
            return model.step(x, h, t, switches=switches, prepared=prepared).h_next

        step = Linearised(onward, state)
        for which, w in enumerate(tangents):
            moved = step.push(w)
            size = float(torch.linalg.vector_norm(moved, dtype=torch.float64))
            rates[which, index] = math.log(size) if size else -math.inf
            tangents[which] = moved / size if size else moved
    return Growth(rates, stopped)


def _one_image(model: Model, x: Tensor, state: State) -> Tensor:
    if not model.traits.takes_steps:
        raise ConfigError("kind: a feedforward model takes one step, so it has no map to examine.")
    if len(x) != 1 or len(state.h) != 1:
        raise ConfigError(f"x: local stability is of one image at a time, not of {len(x)}.")
    return state.h.detach().to(model.device)


def _solve(
    product: Callable[[np.ndarray], np.ndarray],
    n: int,
    k: int,
    seed: int,
    tolerance: float,
    most: int,
    verify: bool,
) -> tuple[np.ndarray, np.ndarray, str | None]:
    """Leading eigenvalues (k,), eigenvectors (n, k), and why they are fewer or not surely the leading ones.

    Iterations from one start vector see one direction of each eigenspace, so that one of several equal or
    close eigenvalues can be missed while all others converge. What is found is therefore taken out of the
    map, and what is left is asked for its largest eigenvalue from another start, until that is smaller.
    """
    if n <= max(64, k + 2):
        return *_leading(*np.linalg.eig(np.stack([product(row) for row in np.eye(n)], 1)), k), None
    spent = 0

    def counted(w: np.ndarray) -> np.ndarray:
        nonlocal spent
        spent += 1
        return product(w)

    values, vectors, stopped = _arnoldi(counted, n, k, seed, tolerance, most)
    while verify and stopped is None:
        basis = _span(vectors)

        def left(w: np.ndarray, basis: np.ndarray = basis) -> np.ndarray:
            moved = counted(w - basis @ (basis.T @ w))
            return moved - basis @ (basis.T @ moved)

        seed += 1
        more, found, failed = _arnoldi(left, n, 1, seed, CONVERGED, most - spent)
        if failed:
            stopped = f"{k} eigenvalues converged, but within {most} products no larger one was ruled out"
        elif abs(more[0]) <= (1 + CONVERGED) * abs(values[-1]):
            break
        else:  # it was missed: the eigenvectors of the map within the span of all of them
            basis = _span(np.concatenate([basis, found], 1))
            within = np.stack([counted(column) for column in basis.T], 1)
            ritz, mixed = np.linalg.eig(basis.T @ within)
            values, vectors = _leading(ritz, basis @ mixed, k)
    return values, vectors, stopped


def _arnoldi(
    product: Callable[[np.ndarray], np.ndarray], n: int, k: int, seed: int, tolerance: float, most: int
) -> tuple[np.ndarray, np.ndarray, str | None]:
    """What `_solve` gives, as iterations from one start vector find it."""
    from scipy.sparse.linalg import ArpackError, ArpackNoConvergence, LinearOperator, eigs  # slow to import

    columns = min(n, max(2 * k + 4, 16))
    start = np.random.default_rng(seed).standard_normal(n)
    rounds = max(1, 1 + (most - columns) // max(columns - k, 1))
    operator = LinearOperator((n, n), matvec=product, dtype=np.float64)
    stopped = None
    try:
        values, vectors = eigs(operator, k, v0=start, ncv=columns, maxiter=rounds, tol=tolerance)
    except ArpackNoConvergence as error:
        values, vectors = error.eigenvalues, error.eigenvectors
        stopped = f"{len(values)} of {k} eigenvalues converged within {most} products"
    except ArpackError as error:
        if not str(error).startswith("ARPACK error -9:"):
            raise
        values, vectors = np.zeros(k), np.eye(n, k)  # a map that takes a random start to zero is zero
    return *_leading(values, vectors, k), stopped


def _span(vectors: np.ndarray) -> np.ndarray:
    """A real orthonormal basis (n, r) of what complex vectors (n, k) and their conjugates span."""
    left, sizes, _ = np.linalg.svd(np.concatenate([vectors.real, vectors.imag], 1), full_matrices=False)
    return left[:, sizes > 1e-6 * sizes[0]]


def _leading(values: np.ndarray, vectors: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k of largest size, in a fixed order where sizes are equal."""
    order = np.lexsort((-values.imag, -np.abs(values).round(9)))[:k]
    return values[order].astype(complex), vectors[:, order]
