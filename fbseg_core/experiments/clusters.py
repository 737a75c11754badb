"""Where the cells of a grid are measured: in processes of this machine, on a Dask or on a Ray cluster."""

from __future__ import annotations

import contextlib
import os
import re
import socket
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal

from fbseg_core.settings import ConfigError

Backend = Literal["loky", "dask", "ray"]
Call = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]  # as joblib's `delayed` makes them
Workers = Callable[[Iterable[Call]], Iterator[Any]]  # makes the calls; yields each result as it comes
PATIENCE = 5.0  # seconds for a Ray cluster to answer; Ray itself tries for minutes, then ends the process
RAY_PORT = 10001  # of ray://, where an address names none


@contextlib.contextmanager
def workers(backend: Backend, address: str | None, jobs: int) -> Iterator[Workers]:
    """Workers of a backend: `jobs` processes of this machine, or those of the cluster at `address`.

    Raises ConfigError where the backend is not installed, or nobody answers.
    """
    if address is not None and backend == "loky":
        raise ConfigError("address: only the backends dask and ray take one.")
    if backend == "ray":
        with _ray(address, jobs) as made:
            yield made
        return
    from joblib import Parallel, parallel_config

    with contextlib.ExitStack() as stack:
        if backend == "dask":
            stack.enter_context(_dask(address))
        stack.enter_context(parallel_config(backend, **({"n_jobs": jobs} if backend == "loky" else {})))
        yield Parallel(return_as="generator_unordered")


def _dask(address: str | None) -> contextlib.AbstractContextManager:
    """A client of the scheduler at an address; of a cluster on this machine where there is none."""
    try:
        from distributed import Client
    except ImportError:
        raise ConfigError("backend: dask needs `pip install distributed`.") from None
    try:
        return Client(address)
    except (OSError, ValueError) as error:  # nobody answers; an address that is none
        raise ConfigError(
            f"address: there is no Dask scheduler at {address!r:.80} ({error!s:.60})."
        ) from None


@contextlib.contextmanager
def _ray(address: str | None, jobs: int) -> Iterator[Workers]:
    """The Ray cluster at an address; one of `jobs` workers on this machine where there is none.

    By Ray's own API: its backend for joblib cannot yield results as they come.
    """
    options: dict[str, Any] = {"address": "local", "num_cpus": jobs, "include_dashboard": False}
    if address is not None:
        _look_for_ray(address)
        options = {"address": address}
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # else it reports its use to its makers
    try:
        import ray
    except ImportError:
        raise ConfigError("backend: ray needs `pip install ray`.") from None

    def made(calls: Iterable[Call]) -> Iterator[Any]:
        waiting = [ray.remote(function).remote(*given, **named) for function, given, named in calls]
        while waiting:
            ready, waiting = ray.wait(waiting)
            try:
                yield from ray.get(ready)
            except ray.exceptions.RayTaskError as error:
                raise error.cause from None  # as on the other backends
            except ray.exceptions.RayError as error:  # a worker that is gone, or that has not this code
                raise ConfigError(f"backend: a Ray worker failed ({_line(error)}).") from None

    try:
        ray.init(**options, log_to_driver=False, logging_level="ERROR")
    except Exception as error:  # that very class is what Ray raises where its own processes are slow to start
        raise ConfigError(f"backend: Ray does not start ({_line(error)}).") from None
    try:
        yield made
    finally:
        ray.shutdown()


def _line(error: Exception) -> str:
    """The beginning of what an error says."""
    return (str(error).splitlines() or [type(error).__name__])[0][:120].rstrip(" .")


def _look_for_ray(address: str) -> None:
    """Whether anybody listens there. Raises ConfigError."""
    found = re.fullmatch(r"(ray://)?([\w.-]+|\[[\da-fA-F:]+\])(?::(\d{1,5}))?", address)
    if not found or not (found[1] or found[3]):
        raise ConfigError(f"address: {address!r:.80} is no HOST:PORT or ray://HOST:PORT.")
    try:
        socket.create_connection((found[2].strip("[]"), int(found[3] or RAY_PORT)), PATIENCE).close()
    except (OSError, OverflowError) as error:  # OverflowError: a port beyond 65535
        raise ConfigError(f"address: there is no Ray cluster at {address!r:.80} ({error!s:.60}).") from None
