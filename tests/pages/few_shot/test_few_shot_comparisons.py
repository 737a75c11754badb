"""Few-shot lab: what can be done with what was learned."""

import pytest
import torch
from few_shot_lab import ME, app, done, followed, sound, started, tables, traces, until, view, weights

from fbseg_core import load
from fbseg_core.__main__ import main
from fbseg_core.analysis.ideal import ideal_f1
from fbseg_core.analysis.paired import Difference, paired_difference
from fbseg_core.scores.evaluate import evaluate
from fbseg_core.tasks import make_batch, task_of
from pages.few_shot import computed, figures, followed_runs, results
from pages.few_shot.comparisons import cost_of_repeats
from pages.few_shot.followed_runs import card, command, command_differs, curves_csv
from pages.few_shot.state import FewShotState, ablation_of, job_of, repeats_of
from pages.jobs import Followed
from pages.ui import own_models

# one worker drives all runs of the lab: they share a pool, and the run that these tests begin with takes long
pytestmark = [pytest.mark.xdist_group("few-shot"), pytest.mark.usefixtures("nothing_is_left_running")]


FEW = 20


@pytest.fixture(scope="module")
def scored(trained):
    """The same run, scored on fewer images than a visitor's, to be quick."""
    assert followed_runs.IMAGES == 200
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(followed_runs, "IMAGES", FEW)
        trained.button(key="score").click().run()
    return sound(trained)


@pytest.mark.thorough
def test_the_command_learns_the_same_weights_and_scores_are_those_of_eval(scored, tmp_path, capsys):
    job = followed(scored)
    for index, run in enumerate(job.spec.runs):
        assert command_differs(job, index) == ""
        result = computed.result(job, index, ME)
        words = command(job.spec, run).split()[3:]
        words[words.index("--out") + 1] = str(out := tmp_path / f"{index}.safetensors")
        assert main([*words, "--images", "2"]) == 0
        again, its_card = load(out)
        model, kept = load(own_models.path_of(result.name))
        assert torch.equal(weights(model), weights(again)) and its_card.digest == kept.digest
        assert f"{kept.f1[-1]:.3f} [" in str(scored.table[0].value.iloc[index].to_list())
    assert "feedback: 95 % interval" in traces(scored, "score")
    score = evaluate(model, make_batch(job.spec.task, FEW, 1000), 1)  # as `eval` does
    assert result.score == score and kept.f1[-1] == round(score.f1[-1], 4)


@pytest.mark.thorough
def test_the_limit_is_computed_on_request_and_stands_above_both(scored, monkeypatch):

    seen = []

    def quick(task, images, seed, progress):  # the real one takes about a minute
        seen.append((task, images, seed))
        progress(images)
        return ideal_f1(task.replace(side=16), 2, seed)

    monkeypatch.setattr(results, "ideal_f1", quick)
    assert not any(row.get("model") == "ideal observer" for row in tables(scored))
    scored.button(key="limit").click().run()
    sound(scored)
    assert seen == [(followed(scored).spec.task, 200, 1000)]
    assert any(row.get("model") == "ideal observer" for row in tables(scored))
    assert not [button for button in scored.button if button.key == "limit"]


@pytest.mark.slow
def test_both_open_in_explore_by_one_click(scored):
    urls = [link.proto.url for link in scored.get("link_button")]
    links = [url for url in urls if url.startswith("./explore?")]
    assert len(links) == 2
    results = [computed.result(followed(scored), index, ME) for index in (0, 1)]
    assert all(result.name.replace(":", "%3A") in link for link in links for result in results)
    query = {"model": results[0].name, "comparison": results[1].name}
    at = sound(app("pages/explore/page.py", **query))
    assert at.selectbox(key="explore-model").value == results[0].name
    assert any(results[0].card.protocol in caption.value for caption in at.caption)
    assert results[0].name not in app("pages/explore/page.py").selectbox(key="explore-model").options
    evidence = {f"./evidence?v=1&claim={name}" for name in ("ladder", "grouping")}
    live = [url for url in urls if url.startswith("./?")]
    assert len(live) == 2 and all("shown=" in url and "world=shapes" in url for url in live)
    (stability,) = set(urls) - set(links) - set(live) - evidence
    assert evidence < set(urls)
    assert stability == f"./stability?v=1&model={results[0].name.replace(':', '%3A')}"
    at = sound(app("pages/stability/page.py", model=results[0].name, T="12"))
    assert at.selectbox(key="stability-model").value == results[0].name
    at = app("pages/explore/page.py", model="mine:feedback-0123456789abcdef")
    assert "could not be read" in at.warning[0].value


@pytest.mark.slow
def test_a_checkpoint_is_loaded_back_and_a_broken_one_refused(scored):
    result = computed.result(followed(scored), 0, ME)
    at = app()
    upload = at.file_uploader(key="few_shot-checkpoint")
    upload.set_value(("a.safetensors", own_models.content(result.name), "application/octet-stream")).run()
    assert any(result.card.protocol in text.value for text in sound(at).markdown)
    damaged = bytearray(own_models.content(result.name))
    damaged[-1] ^= 1
    for content in (bytes(damaged), b"PK\x03\x04", b""):
        upload = at.file_uploader(key="few_shot-checkpoint")
        upload.set_value(("b.safetensors", content, "application/octet-stream")).run()
        assert not at.exception and len(at.warning) == 1
        box = next(box for box in at.expander if box.label == "Load a checkpoint")
        assert len(box.warning) == 1


def test_curves_are_exported_update_by_update(scored):
    job = followed(scored)
    head, *rows = (line.split(",") for line in curves_csv([job]).split())
    assert head[:6] == ["run", "update", "seconds", "lr", "grad_norm", "loss"] and head[-1] == "f1_t3"
    rows = [row for row in rows if row[0] == "feedback" and row[5]]
    assert [int(row[1]) for row in rows] == list(range(1, 11))
    assert float(rows[4][5]) == pytest.approx(job.curves.updates[0][5]["loss"])


def test_a_card_tells_what_was_done_by_hand(scored):
    job = followed(scored)
    score = computed.result(job, 0, ME).score
    job.curves.changes.append((0, 4, 0.1))
    assert "learning rate × 0.1 from update 5" in card(job, 0, 10, score).protocol
    assert "learning rate" in command_differs(job, 0)
    assert "stopped at 7 of 10 updates" in card(job, 0, 7, score).protocol


@pytest.mark.thorough
def test_an_ablation_step_trains_on_the_same_examples_and_seed():
    at = done(started(protocol="paper", updates="10", steps="2", own='["0.r.1"]'))
    at.button(key="ablation-group norm").click().run()
    name = "feedforward + group norm"
    until(at, lambda: len(traces(at, "gradient").get(name, ([],))[0]) == 10)
    assert set(traces(sound(at), "f1")) >= {"feedback", "feedforward", name}
    base, step = (computed.pool().spec(job, ME) for job in (view(at).job, view(at).ablations[0]))
    assert torch.equal(base.examples.clean, step.examples.clean)
    assert step.runs[0].model == base.runs[1].model.replace(norm="group")
    assert step.runs[0].train == base.runs[1].train
    assert (
        at.button(key="ablation-group norm").disabled
        and not at.button(key="ablation-normalised output").disabled
    )


@pytest.mark.thorough
def test_seed_variance_is_told_seed_by_seed_and_not_called_with_too_few(monkeypatch):
    monkeypatch.setattr(followed_runs, "IMAGES", FEW)
    at = done(started(updates="5", steps="2"))
    at.slider(key="few_shot-k").set_value(2).run()
    at.button(key="repeats").click().run()
    until(at, lambda: any("too few" in text.value for text in at.markdown))
    repeats = view(at).repeats
    spec = computed.pool().spec(repeats, ME)
    want = [computed.final_f1(repeats, index, 5, ME, spec.task) for index in range(4)]
    drawn = traces(at, "seeds")
    assert drawn["feedback"] == ([0, 1], want[:2]) and drawn["feedforward"] == ([0, 1], want[2:])
    computed.final_f1.clear()
    base = computed.pool().spec(view(at).job, ME)
    assert [run.train.seed for run in repeats_of(base, 2).runs] == [0, 1, 0, 1]


def test_what_seeds_would_cost_follows_from_what_the_run_took():
    job = Followed("", job_of(FewShotState(updates=2), {}), view=None)
    job.curves.seconds = 50.4
    assert cost_of_repeats(job, 5, 600.0) == ""  # nothing is told of a run that did not end
    job.curves.updates = {0: {2: {}}, 1: {2: {}}}
    assert cost_of_repeats(job, 5, 600.0) == "About 252 s on this machine, by the 50.4 s that this run took."
    assert "ended after 600 s" in cost_of_repeats(job, 12, 600.0)


def test_a_difference_is_called_one_only_when_its_interval_excludes_zero():
    assert "too few" in figures.verdict(paired_difference([0.9] * 4, [0.1] * 4))
    wide = figures.verdict(Difference(0.1, -0.05, 0.2, 8))
    assert "cannot be called" in wide and "favour" not in wide
    assert "in favour of feedback" in figures.verdict(Difference(0.1, 0.05, 0.2, 8))
    assert "in favour of feedforward" in figures.verdict(Difference(-0.1, -0.2, -0.05, 5))


def test_ablation_steps_start_from_the_feedforward_run_of_the_job():
    base = job_of(FewShotState(protocol="paper"), {})
    changed = ablation_of(base, ("more updates",)).runs[0]
    assert changed.train.total == 5 * base.runs[1].train.total and changed.model == base.runs[1].model


def test_commands_of_other_settings_are_understood():
    for lab in (
        FewShotState(task="grouping", protocol="paper", softmax=False, decay=False, sigma=0.1),
        FewShotState(protocol="paper", examples=1, steps=3, tau=0.05),
    ):
        spec = job_of(lab, {})
        for run in (*spec.runs, ablation_of(spec, ("normalised output",)).runs[0]):
            words = command(spec, run)
            assert words.startswith(f"python -m fbseg_core train {lab.task}-paper --out ")
            assert task_of(spec.task) and "None" not in words
