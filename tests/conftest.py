"""Every test: one thread, and with workers (-n auto) what belongs together on one of them."""

import os
import sys
from pathlib import Path

if sys.dont_write_bytecode:
    # Each process would compile torch and Streamlit anew: one that trains took 12 s to start instead of 3.5,
    # and the tests start dozens. What is compiled is kept, but not beside the sources.
    sys.dont_write_bytecode = False
    sys.pycache_prefix = str(Path(__file__).parents[1] / ".pytest_cache" / "bytecode")
    os.environ["PYTHONPYCACHEPREFIX"] = sys.pycache_prefix
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# a core is always busy with other tests, which training workers would give way to for minutes
os.environ["FBSEG_NICE"] = "0"

import pytest
import torch


@pytest.fixture(scope="session", autouse=True)
def one_thread_for_fixtures():
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def one_thread():
    """Small tensors gain nothing from more threads, and the numbers then repeat exactly.

    For each test anew: a command that is run within a test sets its own number, for the whole process.
    """
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(1)


@pytest.hookimpl(tryfirst=True)  # before xdist chooses for itself
def pytest_cmdline_main(config):
    """Where there are workers and no --dist, the tests of a group go to the same one."""
    if getattr(config.option, "numprocesses", None) and config.option.dist == "no":
        config.option.dist = "loadgroup"


@pytest.hookimpl(optionalhook=True)  # without xdist there is no such hook
def pytest_configure_node(node):
    node.workerinput["loadgroup"] = node.config.option.dist == "loadgroup"


def pytest_configure(config):
    """A worker reads the command line by itself: tell it what was chosen."""
    if hasattr(config, "workerinput"):
        config.option.loadgroup = config.workerinput["loadgroup"]


def pytest_xdist_auto_num_workers():
    """-n auto: one more than there are cores, as tests that drive a browser wait for half of their time."""
    return len(os.sched_getaffinity(0)) + 1 if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1) + 1


ASIDE = ("engine", "evidence", "live", "predictive", "scripts")  # screens; two groups take the others


@pytest.hookimpl(tryfirst=True)  # before xdist writes a test's group into its id
def pytest_collection_modifyitems(items):
    """Three groups drive a browser, each with a server of its own, so that no worker waits for the last."""
    for item in items:
        if item.get_closest_marker("browser"):
            of = item.path.name.removeprefix("test_")
            group = "-explore" if of.startswith("explore") else "-aside" if of.startswith(ASIDE) else ""
            item.add_marker(pytest.mark.xdist_group("browser" + group))
