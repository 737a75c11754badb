"""A browser is killed while its run trains, is saved, or is scored: the run is there for the next one."""

import os
import re
import signal
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from few_shot_page import PROGRESS, WORKERS, job_of, opened, press, started, state, updates
from served import FLAGS, PATIENCE, chromium_path, eventually, start_app

from fbseg_core import load
from pages.jobs.folder import Folder

pytestmark = [
    pytest.mark.browser,
    pytest.mark.thorough,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="processes are read from /proc"),
]
QUICK = "v=1&updates=2000&steps=3"  # short steps, and more of them than a test waits for
SHORT = "v=1&updates=20&steps=3"
SCORE = "Score on 200 fresh images"


def kill(profile):
    """kill -9 of the browser that keeps its data there."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if f"={profile}\0".encode() in path.read_bytes():
                os.kill(int(path.parent.name), signal.SIGKILL)


@pytest.fixture
def profile(tmp_path):
    """Where a browser of the test's own keeps its data."""
    yield tmp_path / "profile"
    kill(tmp_path / "profile")


@pytest.fixture
def launch(chromium, profile):
    """Start that browser."""

    def launch():
        start = chromium.browser_type.launch_persistent_context
        context = start(profile, executable_path=chromium_path(), args=FLAGS)
        context.set_default_timeout(1000 * PATIENCE)
        return context

    return launch


class Gate:
    """An app of the test's own, one call of which waits: url, and the folder of its jobs."""

    def __init__(self, folder, url):
        self.folder, self.url, self.jobs = folder, url, folder / "jobs"

    def wait(self):
        eventually((self.folder / "reached").exists, seconds=WORKERS)

    def go(self):
        (self.folder / "go").touch()

    def calls(self):
        return len((self.folder / "calls").read_text().splitlines())

    def half_written(self):
        """Files that are still to be put in place."""
        return [path.name for path in self.jobs.rglob(".*.*") if path.is_file() and path.name != ".lock"]

    def kept(self):
        """The checkpoints that are whole."""
        return sorted((self.jobs / ".checkpoints").glob("*.safetensors"))


@pytest.fixture
def gated(tmp_path):
    """Start such an app: `what` waits when it is called for the `number`th time (held/sitecustomize.py)."""
    servers = []

    def gated(what, number=1):
        place = str(Path(__file__).parent / "held")
        path = os.pathsep.join(filter(None, (place, os.environ.get("PYTHONPATH"))))
        told = {"FBSEG_HELD": f"{what} {number}", "FBSEG_GATE": str(tmp_path), "PYTHONPATH": path}
        server, url = start_app(FBSEG_JOBS=str(tmp_path / "jobs"), **told)
        servers.append(server)
        return Gate(tmp_path, url)

    yield gated
    (tmp_path / "go").touch()  # nobody waits for a test that failed
    for server in servers:
        server.terminate()
        server.wait(PATIENCE)


def link_of(page):
    page.wait_for_function("location.search.includes('job=')")
    return page.url


def scores_and_takes_along(page, gate):
    """Both models are scored and can be downloaded, and nothing half written is left."""
    press(page, SCORE)
    gate.go()
    page.get_by_text("95 % bootstrap interval").wait_for(timeout=1000 * WORKERS)
    table = page.locator("[data-testid=stTable]").filter(has_text="at 2T = 6").first.inner_text()
    assert re.findall(r"(\w+)\s+20\s+0\.\d+ \[0\.\d+, 0\.\d+\]", table) == ["feedback", "feedforward"]
    buttons = page.get_by_role("button", name="Checkpoint (safetensors)")
    assert buttons.count() == 2
    told = {}
    for i in range(2):
        with page.expect_download() as download:
            buttons.nth(i).click()
        download.value.save_as(gate.folder / f"{i}.safetensors")
        model, card = load(gate.folder / f"{i}.safetensors")
        told[card.model.kind] = model.state_dict()
        assert card.updates == 20
    folder = Folder(gate.jobs / job_of(page)[0])
    assert folder.status()[0] == "done"
    for run, kind in enumerate(("feedback", "feedforward")):
        learned = folder.load_state(run).model
        assert all((learned[name] == value).all() for name, value in told[kind].items())
    assert len(gate.kept()) == 2 and gate.half_written() == []
    assert [fault for fault in page.faults if "/media/" not in fault] == []  # a download is an aborted visit
    page.context.close()


def test_a_run_of_a_browser_that_was_killed_is_found_again_by_its_owner_alone(
    launch, profile, new_context, url
):
    page = opened(launch(), f"{url}/few_shot?{QUICK}")
    started(page)
    link, seen = link_of(page).split("/few_shot")[1], updates(page)
    kill(profile)
    page = opened(launch(), f"{url}/few_shot")
    state(page, "Training")  # no run is named: what the browser keeps says whose it is
    assert updates(page) >= seen
    other = opened(new_context(), f"{url}/few_shot{link}")
    other.get_by_text("not this browser's").wait_for()
    assert other.locator(PROGRESS).count() == 0
    press(page, "Stop")
    state(page, "Stopped")
    assert page.faults == []
    page.context.close()


def test_a_browser_is_killed_while_what_was_learned_is_saved(launch, profile, gated):
    gate = gated("state-1.training")
    page = opened(launch(), f"{gate.url}/few_shot?{SHORT}")
    press(page, "Start training")
    link = link_of(page)
    gate.wait()
    job = Folder(gate.jobs / job_of(page)[0])
    assert job.load_state(1) is None and len(gate.half_written()) == 1
    kill(profile)
    page = opened(launch(), link)
    state(page, "Training")  # its worker still has it
    gate.go()
    state(page, "Done")
    assert re.search(r"feedback 20 of 20 updates, feedforward 20 of 20", page.locator(PROGRESS).inner_text())
    scores_and_takes_along(page, gate)


@pytest.mark.parametrize(
    ("what", "number", "kept"),
    [
        ("pages.few_shot.computed.evaluate", 1, 0),
        ("pages.few_shot.computed.evaluate", 2, 1),  # the feedback model is scored and kept by then
    ],
)
def test_a_browser_is_killed_while_its_run_is_scored(launch, profile, gated, what, number, kept):
    gate = gated(what, number)
    page = scoring(launch, gate)
    link = page.url
    assert len(gate.kept()) == kept
    kill(profile)
    page = opened(launch(), link)
    state(page, "Done")
    scores_and_takes_along(page, gate)
    assert gate.calls() == 2  # no model is scored anew: the next browser gets what the first one asked for


def test_a_browser_is_killed_while_a_scored_checkpoint_is_saved(launch, profile, gated):
    gate = gated("feedback-*.safetensors")
    page = scoring(launch, gate)
    link = page.url
    assert gate.kept() == [] and len(gate.half_written()) == 1
    kill(profile)
    page = opened(launch(), link)
    state(page, "Done")
    scores_and_takes_along(page, gate)
    assert gate.calls() == 1


def scoring(launch, gate):
    """A page whose run is done, and is scored up to the call that waits."""
    page = opened(launch(), f"{gate.url}/few_shot?{SHORT}")
    press(page, "Start training")
    state(page, "Done")
    link_of(page)
    press(page, SCORE)
    gate.wait()
    page.get_by_text("Scoring on 200 fresh images").wait_for()
    return page
