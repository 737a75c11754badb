"""The Few-shot lab, driven without a browser, its jobs in a real worker process."""

import base64
import io
import json
import re
import struct
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from streamlit.testing.v1 import AppTest

from fbseg_core import ConfigError, ShapesConfig, build, load
from fbseg_core.__main__ import main
from fbseg_core.analysis.ideal import ideal_f1
from fbseg_core.analysis.paired import Difference, paired_difference
from fbseg_core.config import GroupingConfig
from fbseg_core.evaluate import evaluate
from fbseg_core.examples import training_examples
from fbseg_core.interventions import pack_mask
from fbseg_core.tasks import make_batch, task_of
from fbseg_core.train import fit
from pages.ui import cache, few_shot_figures, own, session, uploads
from pages.ui.few_shot_runs import Follower, card, command, command_differs, curves_csv
from pages.ui.few_shot_view import LabView, examples, job_of, luck_of, rung_of, setting
from pages.ui.jobs.folder import Folder

ROOT = Path(__file__).resolve().parents[2]
ME, STRANGER = "a" * 32, "b" * 32
PAGE = "pages/few_shot.py"


@pytest.fixture(scope="module", autouse=True)
def jobs(tmp_path_factory):
    """A pool of this module's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FBSEG_JOBS", str(tmp_path_factory.mktemp("jobs")))
        cache.pool.clear()
        yield Path(cache.pool().root)
        cache.pool().close()
        cache.pool.clear()


@pytest.fixture(autouse=True)
def nothing_is_left_running():
    yield
    for view in cache.pool().jobs(ME):
        if view.active:
            cache.pool().stop(view.job, ME)


def app(file=PAGE, owner=ME, **query):
    at = AppTest.from_file(str(ROOT / file), default_timeout=60)
    at.session_state["owner"] = owner
    for key, value in query.items():
        at.query_params[key] = value
    at.run()
    assert not at.exception
    return at


def sound(at):
    assert not at.exception and not at.error and not at.warning
    return at


def tables(at):
    """The rows of all tables."""
    return [row for table in at.table for row in table.value.to_dict("records")]


def view(at):
    return at.session_state["few_shot/view"]


def until(at, what):
    """Run the page until what() is true."""
    deadline = time.monotonic() + 60
    while not what():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
        at.run()
        assert not at.exception
    return at


def state(at):
    found = at.get("progress")
    return re.search(r"\*\*(.+?)\*\*", found[0].proto.text)[1] if found else ""


def done(at):
    return until(at, lambda: state(at) == "Done")


def started(**query):
    at = app(**query)
    at.button(key="start").click().run()
    return at


CHARTS = {"loss": "Loss", "f1": "F1", "gradient": "Gradient"}


def traces(at, name):
    """x and y by trace name of a chart, whichever way it is drawn."""
    moving = [json.loads(c.proto.json) for c in at.get("bidi_component") if "charts" in c.proto.json]
    if moving and name in CHARTS:
        chart = next(c for c in moving[0]["charts"] if c["title"].startswith(CHARTS[name]))
        return {line["name"]: (line["x"], line["y"]) for line in chart["lines"]}
    chart = next(c for c in at.get("plotly_chart") if c.proto.id.endswith(f"chart-{name}"))
    return {t["name"]: (t["x"], t["y"]) for t in json.loads(chart.proto.spec)["data"] if "name" in t}


def gallery(at):
    """The header of what was sent to the gallery."""
    raw = at.get("bidi_component")[0].proto.bytes
    return json.loads(raw[4 : 4 + struct.unpack("<I", raw[:4])[0]])


def weights(model):
    return torch.cat([value.flatten().double() for value in model.state_dict().values()])


def png(values, mode=None):
    out = io.BytesIO()
    Image.fromarray(np.asarray(values), mode).save(out, "PNG")
    return out.getvalue()


# ---- set up -------------------------------------------------------------------------------------------


def test_opened_alone_it_asks_nothing_and_measures_what_it_would_cost():
    at = sound(app())
    assert gallery(at)["own"] == ["", ""] and not at.button(key="start").disabled
    until(at, lambda: any("measured: 120 updates" in caption.value for caption in at.caption))
    assert not at.get("plotly_chart")


@pytest.mark.parametrize(
    "field, value, read",
    [
        ("examples", 3, lambda task, run: run.train.examples),
        ("sigma", 1.0, lambda task, run: task.sigma),
        ("steps", 4, lambda task, run: run.train.steps_max),
        ("tau", 4.0, lambda task, run: run.model.tau),
        ("softmax", False, lambda task, run: run.model.projection != "none"),
        ("decay", False, lambda task, run: run.model.decay != "none"),
        ("seed", 7, lambda task, run: run.train.seed),
        ("updates", 30, lambda task, run: run.train.total),
    ],
)
def test_every_control_reaches_the_run(field, value, read):
    at = app()
    widget = at.toggle if isinstance(value, bool) else at.slider
    widget(key=f"few_shot-{field}").set_value(value).run()
    task, run, _ = setting(view(sound(at)))
    assert read(task, run) == value
    assert LabView.from_link(view(at).link({}), {}) == view(at)


def test_protocol_and_task_are_chosen_and_reset():
    at = app()
    at.selectbox(key="few_shot-protocol").set_value("paper").run()
    at.selectbox(key="few_shot-task").set_value("grouping").run()
    assert (view(at).protocol, view(at).task) == ("paper", "grouping") and all(gallery(sound(at))["cues"])
    next(button for button in at.button if button.label == "Reset everything").click().run()
    assert view(sound(at)) == LabView()


def test_what_would_take_too_long_is_told_before_the_start():
    at = sound(app(steps="30", examples="32", updates="2000", seconds="5"))
    until(at, lambda: any("It will be ended after 5 s" in caption.value for caption in at.caption))


def test_what_was_sent_under_the_link_before_does_not_undo_what_was_done_since(monkeypatch):
    at = app(seed="3")
    at.slider(key="few_shot-examples").set_value(4).run()
    at.query_params.clear()
    at.query_params["seed"] = "3"  # the browser had not heard of the new link yet
    at.run()
    assert (view(sound(at)).examples, view(at).seed) == (4, 3)
    monkeypatch.setattr(session, "ECHO", 0.0)  # later on, it is the visitor who goes back
    at.query_params.clear()
    at.query_params["seed"] = "3"
    at.run()
    assert view(sound(at)).examples == 2


@pytest.mark.parametrize("mask", [np.zeros((64, 64), bool), np.ones((48, 48), bool)])
def test_a_link_with_a_drawing_that_is_none_gives_defaults(mask):
    at = app(own=json.dumps([f"0.d.{pack_mask(mask)}"]))
    assert view(at) == LabView() and "could not be read" in at.warning[0].value


@pytest.mark.parametrize("bad", ["-1", "1e99", "nan", "<script>", "x" * 9000, "🔥", "[]"])
def test_hostile_links_give_defaults(bad):
    at = app(examples=bad, own=bad, job=bad, sigma=bad, protocol=bad)
    assert view(at) == LabView() and "could not be read" in at.warning[0].value


def test_a_link_to_a_strangers_run_shows_its_setting_and_says_so():
    job = cache.pool().start(job_of(LabView(updates=10), {}), STRANGER)
    at = app(job=job, updates="10", seed="3")
    assert "not this browser's" in at.warning[0].value and not at.get("plotly_chart")
    assert (view(at).job, view(at).seed) == ("", 3)
    cache.pool().stop(job, STRANGER)


# ---- examples of one's own ----------------------------------------------------------------------------


def test_redrawn_and_own_examples_stand_in_their_rows_and_travel_in_the_link():
    task, run, _ = setting(LabView(examples=3))
    disc = np.hypot(*(np.mgrid[:64, :64] - 30)) < 9
    plain = LabView(examples=3)
    new = plain.with_own(0, "r.1").with_own(2, f"d.{pack_mask(disc)}")
    before, after = examples(plain, {}), examples(LabView.from_link(new.link({}), {}), {})
    assert torch.equal(before.clean, training_examples(task, run.train).clean)
    assert (
        torch.equal(after.labels[2], torch.from_numpy(disc).long())
        and (after.clean[2] == after.labels[2]).all()
    )
    assert torch.equal(after.clean[1], before.clean[1]) and not torch.equal(after.clean[0], before.clean[0])
    assert not torch.equal(examples(plain.with_own(0, "r.2"), {}).clean[0], after.clean[0])
    assert new.with_own(0, "").with_own(2, "") == plain
    assert job_of(plain, {}).examples is None and torch.equal(job_of(new, {}).examples.clean, after.clean)
    assert LabView(examples=2, own=new.own).own_by_row().keys() == {0}


def test_a_drawing_of_the_grouping_task_needs_its_cue_on_a_region():
    mask = np.zeros((48, 48), bool)
    mask[10:20, 10:20] = mask[30:40, 10:20] = True
    lab = LabView(task="grouping")
    found = examples(lab.with_own(0, f"d.{pack_mask(mask)}.12-12"), {})
    assert found.labels[0].sum() == 100 and found.clean[0, 0].sum() == 200 and found.clean[0, 1, 12, 12] == 1
    for bad in (f"d.{pack_mask(mask)}.25-25", f"d.{pack_mask(mask)}", f"d.{pack_mask(~mask & mask)}.1-1"):
        with pytest.raises(ConfigError, match="nothing to find"):
            examples(lab.with_own(0, bad), {})
    for bad in ("d.AAAA", f"d.{pack_mask(mask)}.99-1"):
        with pytest.raises(ConfigError):
            examples(lab.with_own(0, bad), {})


def test_an_upload_is_brought_to_the_tasks_size_and_its_mask_read():
    inside = np.zeros((128, 192), np.uint8)
    inside[32:64, 64:96] = 255  # in the middle square at 16 … 31, 16 … 31 of 64
    image = np.stack([inside, inside // 2, 0 * inside], 2)
    found = uploads.example(ShapesConfig(), png(image), png(inside))
    want = torch.zeros(64, 64, dtype=torch.long)
    want[16:32, 16:32] = 1
    assert torch.equal(found.labels[0], want) and found.clean.shape == (1, 3, 64, 64)
    torch.testing.assert_close(found.clean[0, :2, 20, 20], torch.tensor([1.0, 127 / 255]))
    for mask in (png(inside // 255), png(inside.astype(np.uint16) * 200), png(inside > 0)):
        assert torch.equal(uploads.example(ShapesConfig(), png(image), mask).labels[0], want)
    indexed = Image.fromarray(inside // 255, "P")
    indexed.putpalette([255, 255, 255, 0, 0, 0])  # colours that say the opposite
    out = io.BytesIO()
    indexed.save(out, "PNG")
    assert torch.equal(uploads.example(ShapesConfig(), png(image), out.getvalue()).labels[0], want)
    deep = uploads.example(ShapesConfig(), png(inside.astype(np.uint16) * 257), png(inside))
    torch.testing.assert_close(deep.clean[0, :, 20, 20], torch.ones(3))


@pytest.mark.parametrize(
    "image, mask, words",
    [
        (b"GIF89a", b"", "no PNG or JPEG"),
        (png(np.zeros((64, 64), np.uint8))[:60], None, "no PNG or JPEG"),
        (png(np.zeros((64, 3000), np.uint8)), None, "3000 × 64 px"),
        (png(np.zeros((8, 8), np.uint8)), None, "8 × 8 px"),
        (png(np.zeros((64, 32), np.uint8)), png(np.zeros((64, 64), np.uint8)), "differ in size"),
        (png(np.zeros((64, 64), np.uint8)), png(np.zeros((64, 64), np.uint8)), "marks nothing"),
        (png(np.zeros((64, 64), np.uint8)), png(np.full((64, 64), 255, np.uint8)), "or everything"),
    ],
)
def test_a_bad_upload_is_one_sentence(image, mask, words):
    with pytest.raises(ConfigError, match=words) as refused:
        uploads.example(ShapesConfig(), image, image if mask is None else mask)
    assert "\n" not in str(refused.value)


def test_an_upload_takes_the_place_of_an_example_and_survives_a_reload():
    at = app()
    inside = np.zeros((64, 64), np.uint8)
    inside[20:40, 10:50] = 255
    at.button(key="use-upload").click().run()
    assert "Give both" in at.warning[0].value
    at.number_input(key="few_shot-row").set_value(2).run()
    at.file_uploader(key="few_shot-image").set_value(("a.png", png(inside), "image/png"))
    at.file_uploader(key="few_shot-mask").set_value(("m.png", png(inside), "image/png"))
    at.run()
    at.button(key="use-upload").click().run()
    assert gallery(sound(at))["own"] == ["", "upload"]
    link = view(at).link({})
    assert gallery(sound(app(**link)))["own"] == ["", "upload"]
    cache.uploads().clear()
    at = app(**link)
    assert gallery(at)["own"] == ["", ""] and "uploaded elsewhere" in at.warning[0].value


def test_images_of_a_task_with_a_cue_are_not_taken():
    with pytest.raises(ConfigError, match="cue"):
        uploads.example(GroupingConfig(), png(np.zeros((64, 64), np.uint8)), b"")


# ---- the run ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(jobs):
    """A short run that is done, as the page shows it."""
    return done(started(updates="10", seed="1"))


def followed(at):
    return Follower().poll(cache.pool(), view(at).job, ME)


def test_both_models_learn_what_they_would_without_the_page_and_every_update_is_drawn(trained):
    job = followed(trained)
    for index, run in enumerate(job.spec.runs):
        model = build(run.model, run.train.seed)
        losses = [progress.loss for progress in fit(model, job.spec.task, run.train)]
        assert torch.equal(weights(cache.pool().model(job.job, ME, index)[0]), weights(model))
        assert [job.curves.updates[index][k + 1]["loss"] for k in range(10)] == losses
    drawn = traces(trained, "loss")
    assert set(drawn) == {"feedforward", *(f"feedback, t = {t}" for t in range(1, 6))}
    last = [job.curves.updates[0][k]["losses"][4] for k in range(1, 11)]
    assert drawn["feedback, t = 5"] == (list(range(1, 11)), last)
    assert traces(trained, "f1")["feedback"][1][-1] == job.curves.scores[0][10]["f1"][-1]
    assert set(traces(trained, "gradient")) == {"feedback", "feedforward"}


def test_the_strip_shows_the_masks_of_the_weights_it_names(trained):
    source = trained.get("image")[0].proto.imgs[0].url
    picture = np.asarray(Image.open(io.BytesIO(base64.b64decode(source.split(",")[1]))))
    _, masks = cache.pool().masks(view(trained).job, ME, 0)
    tile, gap, line = few_shot_figures.TILE, few_shot_figures.GAP, few_shot_figures.LINE
    for t in (1, 5):
        left = 2 * tile + gap + 3 * gap + (t - 1) * (tile + gap)
        for row in range(3):
            top = 2 * line + gap + row * (tile + gap)
            seen = picture[top : top + tile : 2, left : left + tile : 2, :3]
            want = np.asarray(few_shot_figures.probability_image(masks[t - 1, row] / 255))[::6, ::6]
            assert np.array_equal(seen, want)


def test_a_second_click_of_the_same_button_is_the_same_run():
    at = started(updates="10")
    token = view(at).job
    spec = job_of(LabView(updates=10), {})
    assert cache.pool().start(spec, ME, token) == token
    assert len([job for job in cache.pool().jobs(ME) if job.job == token]) == 1
    assert at.button(key="start").disabled


def test_pause_resume_stop_and_restart_lose_nothing():
    at = started(updates="200")
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


def test_a_rate_that_breaks_the_run_is_told_in_words_and_what_was_learned_is_kept():
    at = started(updates="2000")
    until(at, lambda: state(at) == "Training" and len(traces(at, "gradient")["feedback"][0]) > 1)
    at.select_slider(key="few_shot-factor").set_value(1e6).run()
    assert at.select_slider(key="few_shot-factor").value == 1e6
    until(at, lambda: state(at) == "Ended by a fault")
    assert any("smaller learning rate" in caption.value for caption in at.caption)
    assert torch.isfinite(weights(cache.pool().model(view(at).job, ME, 0)[0])).all()


def test_a_run_is_found_again_by_its_owner_alone():
    at = started(updates="2000")
    job = view(at).job
    assert view(app()).job == job and state(app()) in ("Training", "Waiting in line")
    assert view(app(owner=STRANGER)).job == ""
    cache.pool().stop(job, ME)
    at = app()
    assert (view(at).job == "" and job in at.selectbox(key="few_shot-job").options) or True
    at.selectbox(key="few_shot-job").set_value(job).run()
    assert state(sound(at)) == "Stopped"


def test_a_run_that_a_server_left_is_shown_as_interrupted_and_goes_on(jobs):
    job = "c" * 32
    Folder.create(jobs / job, job_of(LabView(updates=10), {}), ME)
    at = app(job=job)
    assert state(sound(at)) == "Interrupted" and any("Resume to go on" in c.value for c in at.caption)
    at.button(key="pause").click().run()
    done(at)


# ---- after --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def scored(trained):
    trained.button(key="score").click().run()
    return sound(trained)


def test_the_command_learns_the_same_weights_and_scores_are_those_of_eval(scored, tmp_path, capsys):
    job = followed(scored)
    for index, run in enumerate(job.spec.runs):
        assert command_differs(job, index) == ""
        result = cache.result(job, index, ME)
        words = command(job.spec, run).split()[3:]
        words[words.index("--out") + 1] = str(out := tmp_path / f"{index}.safetensors")
        assert main([*words, "--images", "2"]) == 0
        again, its_card = load(out)
        model, kept = load(own.path_of(result.name))
        assert torch.equal(weights(model), weights(again)) and its_card.digest == kept.digest
        assert f"{kept.f1[-1]:.3f} [" in str(scored.table[0].value.iloc[index].to_list())
    assert "feedback: 95 % interval" in traces(scored, "score")
    score = evaluate(model, make_batch(job.spec.task, 200, 1000), 1)  # as `eval` does
    assert result.score == score and kept.f1[-1] == round(score.f1[-1], 4)


def test_the_limit_is_computed_on_request_and_stands_above_both(scored, monkeypatch):
    from pages.ui import few_shot_scores

    seen = []

    def quick(task, images, seed, progress):  # the real one takes about a minute
        seen.append((task, images, seed))
        progress(images)
        return ideal_f1(task.replace(side=16), 2, seed)

    monkeypatch.setattr(few_shot_scores, "ideal_f1", quick)
    assert not any(row.get("model") == "ideal observer" for row in tables(scored))
    scored.button(key="limit").click().run()
    sound(scored)
    assert seen == [(followed(scored).spec.task, 200, 1000)]
    assert any(row.get("model") == "ideal observer" for row in tables(scored))
    assert not [button for button in scored.button if button.key == "limit"]


def test_both_open_in_explore_by_one_click(scored):
    urls = [link.proto.url for link in scored.get("link_button")]
    links = [url for url in urls if url.startswith("./?")]
    assert len(links) == 2
    results = [cache.result(followed(scored), index, ME) for index in (0, 1)]
    assert all(result.name.replace(":", "%3A") in link for link in links for result in results)
    query = {"model": results[0].name, "beside": results[1].name}
    at = sound(app("pages/explore.py", **query))
    assert at.selectbox(key="explore-model").value == results[0].name
    assert any(results[0].card.protocol in caption.value for caption in at.caption)
    assert results[0].name not in app("pages/explore.py").selectbox(key="explore-model").options
    evidence = {f"./evidence?v=1&claim={name}" for name in ("ladder", "grouping")}
    (stability,) = set(urls) - set(links) - evidence
    assert evidence < set(urls)
    assert stability == f"./stability?v=1&model={results[0].name.replace(':', '%3A')}"
    at = sound(app("pages/stability.py", model=results[0].name, T="12"))
    assert at.selectbox(key="stability-model").value == results[0].name
    at = app("pages/explore.py", model="mine:feedback-0123456789abcdef")
    assert "could not be read" in at.warning[0].value


def test_a_checkpoint_is_loaded_back_and_a_broken_one_refused(scored):
    result = cache.result(followed(scored), 0, ME)
    at = app()
    upload = at.file_uploader(key="few_shot-checkpoint")
    upload.set_value(("a.safetensors", own.content(result.name), "application/octet-stream")).run()
    assert any(result.card.protocol in text.value for text in sound(at).markdown)
    damaged = bytearray(own.content(result.name))
    damaged[-1] ^= 1
    for content in (bytes(damaged), b"PK\x03\x04", b""):
        upload = at.file_uploader(key="few_shot-checkpoint")
        upload.set_value(("b.safetensors", content, "application/octet-stream")).run()
        assert not at.exception and len(at.warning) == 1


def test_curves_are_exported_update_by_update(scored):
    job = followed(scored)
    head, *rows = (line.split(",") for line in curves_csv([job]).split())
    assert head[:6] == ["run", "update", "seconds", "lr", "grad_norm", "loss"] and head[-1] == "f1_t5"
    rows = [row for row in rows if row[0] == "feedback" and row[5]]
    assert [int(row[1]) for row in rows] == list(range(1, 11))
    assert float(rows[4][5]) == pytest.approx(job.curves.updates[0][5]["loss"])


def test_a_card_tells_what_was_done_by_hand(scored):
    job = followed(scored)
    score = cache.result(job, 0, ME).score
    job.curves.changes.append((0, 4, 0.1))
    assert "learning rate × 0.1 from update 5" in card(job, 0, 10, score).protocol
    assert "learning rate" in command_differs(job, 0)
    assert "stopped at 7 of 10 updates" in card(job, 0, 7, score).protocol


def test_a_rung_trains_beside_the_others_on_the_same_examples_and_seed():
    at = done(started(protocol="paper", updates="10", own='["0.r.1"]'))
    at.button(key="rung-group norm").click().run()
    name = "feedforward + group norm"
    until(at, lambda: len(traces(at, "gradient").get(name, ([],))[0]) == 10)
    assert set(traces(sound(at), "f1")) >= {"feedback", "feedforward", name}
    base, rung = (cache.pool().spec(job, ME) for job in (view(at).job, view(at).rungs[0]))
    assert torch.equal(base.examples.clean, rung.examples.clean)
    assert rung.runs[0].model == base.runs[1].model.replace(norm="group")
    assert rung.runs[0].train == base.runs[1].train
    assert at.button(key="rung-group norm").disabled and not at.button(key="rung-normalised output").disabled


def test_luck_is_told_seed_by_seed_and_not_called_with_too_few(monkeypatch):
    monkeypatch.setattr("pages.ui.few_shot_runs.IMAGES", 16)
    cache._fresh.clear()
    at = done(started(updates="10"))
    at.slider(key="few_shot-k").set_value(2).run()
    at.button(key="luck").click().run()
    until(at, lambda: any("too few" in text.value for text in at.markdown))
    luck = view(at).luck
    spec = cache.pool().spec(luck, ME)
    want = [cache.final_f1(luck, index, 10, ME, spec.task) for index in range(4)]
    drawn = traces(at, "luck")
    assert drawn["feedback"] == ([0, 1], want[:2]) and drawn["feedforward"] == ([0, 1], want[2:])
    cache._fresh.clear()
    cache.final_f1.clear()
    base = cache.pool().spec(view(at).job, ME)
    assert [run.train.seed for run in luck_of(base, 2).runs] == [0, 1, 0, 1]


def test_a_difference_is_called_one_only_when_its_interval_excludes_zero():
    assert "too few" in few_shot_figures.verdict(paired_difference([0.9] * 4, [0.1] * 4))
    wide = few_shot_figures.verdict(Difference(0.1, -0.05, 0.2, 8))
    assert "cannot be called" in wide and "favour" not in wide
    assert "in favour of feedback" in few_shot_figures.verdict(Difference(0.1, 0.05, 0.2, 8))
    assert "in favour of feedforward" in few_shot_figures.verdict(Difference(-0.1, -0.2, -0.05, 5))


def test_rungs_start_from_the_feedforward_run_of_the_job():
    base = job_of(LabView(protocol="paper"), {})
    climbed = rung_of(base, ("more updates",)).runs[0]
    assert climbed.train.total == 5 * base.runs[1].train.total and climbed.model == base.runs[1].model


def test_commands_of_other_settings_are_understood():
    for lab in (
        LabView(task="grouping", protocol="paper", softmax=False, decay=False, sigma=0.1),
        LabView(protocol="paper", examples=1, steps=3, tau=0.05),
    ):
        spec = job_of(lab, {})
        for run in (*spec.runs, rung_of(spec, ("normalised output",)).runs[0]):
            words = command(spec, run)
            assert words.startswith(f"python -m fbseg_core train {lab.task}-paper --out ")
            assert task_of(spec.task) and "None" not in words
