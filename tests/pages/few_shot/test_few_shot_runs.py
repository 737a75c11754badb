"""Few-shot lab: runs started, followed, paused, stopped, broken and found again."""

import base64
import io

import numpy as np
import pytest
import torch
from few_shot_lab import (
    ME,
    STRANGER,
    app,
    done,
    followed,
    sound,
    started,
    state,
    traces,
    until,
    view,
    weights,
)
from PIL import Image

from fbseg_core import build
from fbseg_core.training.fit import fit
from pages.few_shot import computed, figures
from pages.few_shot.state import FewShotState, job_of
from pages.jobs.folder import Folder
from pages.ui import images

# one worker drives all runs of the lab: they share a pool, and the run that these tests begin with takes long
pytestmark = [pytest.mark.xdist_group("few-shot"), pytest.mark.usefixtures("nothing_is_left_running")]


def test_both_models_learn_what_they_would_without_the_page_and_every_update_is_drawn(trained):
    job = followed(trained)
    for index, run in enumerate(job.spec.runs):
        model = build(run.model, run.train.seed)
        losses = [progress.loss for progress in fit(model, job.spec.task, run.train)]
        assert torch.equal(weights(computed.pool().model(job.job, ME, index)[0]), weights(model))
        assert [job.curves.updates[index][k + 1]["loss"] for k in range(10)] == losses
    drawn = traces(trained, "loss")
    assert set(drawn) == {"feedforward", *(f"feedback, t = {t}" for t in range(1, 4))}
    last = [job.curves.updates[0][k]["losses"][2] for k in range(1, 11)]
    assert drawn["feedback, t = 3"] == (list(range(1, 11)), last)
    assert traces(trained, "f1")["feedback"][1][-1] == job.curves.scores[0][10]["f1"][-1]
    assert set(traces(trained, "gradient")) == {"feedback", "feedforward"}


def test_the_strip_shows_the_masks_of_the_weights_it_names(trained):
    source = trained.get("image")[0].proto.imgs[0].url
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(source.split(",")[1]))))
    _, masks = computed.pool().masks(view(trained).job, ME, 0)
    tile, gap, line = figures.TILE, figures.GAP, figures.LINE
    for t in (1, 3):
        left = 2 * tile + gap + 3 * gap + (t - 1) * (tile + gap)
        for row in range(3):
            top = 2 * line + gap + row * (tile + gap)
            seen = picture[top : top + tile : 2, left : left + tile : 2, :3]
            want = np.asarray(images.probability_image(masks[t - 1, row] / 255))[::6, ::6]
            assert np.array_equal(seen, want)


def test_a_second_click_of_the_same_button_is_the_same_run():
    at = started(updates="2000", steps="2")  # more than are made meanwhile
    token = view(at).job
    spec = job_of(FewShotState(updates=2000, steps=2), {})
    assert computed.pool().start(spec, ME, token) == token
    assert len([job for job in computed.pool().jobs(ME) if job.job == token]) == 1
    assert at.button(key="start").disabled
    at.button(key="start").proto.disabled = False  # as in a browser that was not told yet
    at.button(key="start").click().run()
    assert view(at).job == token and len([job for job in computed.pool().jobs(ME) if job.active]) == 1
    at.button(key="stop").click().run()
    assert state(sound(at)) == "Stopped"


@pytest.mark.slow
def test_pause_resume_stop_and_restart_lose_nothing():
    at = started(updates="200", steps="2")
    until(at, lambda: len(traces(at, "gradient")["feedback"][0]) > 2)
    at.button(key="pause").click().run()
    assert state(sound(at)) == "Paused" and at.button(key="pause").label == "Resume"
    before = traces(at, "gradient")["feedback"]
    at.button(key="pause").click().run()
    until(at, lambda: len(traces(at, "gradient")["feedback"][0]) > len(before[0]) + 2)
    at.button(key="stop").click().run()
    assert state(sound(at)) == "Stopped"
    x, y = traces(at, "gradient")["feedback"]
    assert (x[: len(before[0])], y[: len(before[1])]) == before
    first = view(at).job
    at.button(key="restart").click().run()
    until(at, lambda: len(traces(at, "gradient")["feedback"][0]) >= len(before[0]))
    assert view(at).job != first and traces(at, "gradient")["feedback"][1][: len(before[1])] == before[1]


@pytest.mark.slow
def test_a_rate_that_breaks_the_run_is_told_in_words_and_what_was_learned_is_kept():
    at = started(updates="2000", steps="2")
    until(at, lambda: state(at) == "Training" and len(traces(at, "gradient")["feedback"][0]) > 1)
    at.select_slider(key="few_shot-factor").set_value(1e6).run()
    assert at.select_slider(key="few_shot-factor").value == 1e6
    until(at, lambda: state(at) == "Ended by a fault")
    assert any("smaller learning rate" in caption.value for caption in at.caption)
    assert torch.isfinite(weights(computed.pool().model(view(at).job, ME, 0)[0])).all()


def test_a_run_is_found_again_by_its_owner_alone():
    at = started(updates="2000", steps="2")
    job = view(at).job
    assert view(app()).job == job and state(app()) in ("Training", "Waiting in line")
    late = app(owner=STRANGER)
    assert view(late).job == ""
    late.session_state["owner"] = ME  # a browser that was killed tells late whose it is
    assert view(late.run()).job == job
    computed.pool().stop(job, ME)
    at = app()
    assert view(at).job == "" and at.selectbox(key="few_shot-job").options[1].endswith(job[:4])
    at.selectbox(key="few_shot-job").set_value(job).run()
    assert state(sound(at)) == "Stopped"


@pytest.mark.slow
def test_a_run_that_a_server_left_is_shown_as_interrupted_and_goes_on(jobs):
    job = "c" * 32
    Folder.create(jobs / job, job_of(FewShotState(updates=10, steps=2), {}), ME)
    at = app(job=job)
    assert state(sound(at)) == "Interrupted" and any("Resume to go on" in c.value for c in at.caption)
    at.button(key="pause").click().run()
    done(at)
