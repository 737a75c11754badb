import io
import json

import numpy as np
import pytest
import torch
from PIL import Image
from received import unpacked

from fbseg_core.rollout.interventions import Flip, Perturb, Swap, pack_mask
from fbseg_core.tasks import task_of
from pages.explore import acts, computed, exports
from pages.explore.lessons import LESSONS
from pages.explore.player.payload import lay_out, pack
from pages.explore.run import cue_note, scene_of
from pages.explore.state import ExploreState
from pages.ui import marks, models


def packed(view, **parts):
    scene = scene_of(view, models.cards())
    run, untouched = computed.run(scene), computed.run(scene.untouched())
    untouched = untouched if scene.do else run
    plane = computed.plane(untouched, "h", "image")
    laid = lay_out(run, untouched, plane, None, **({"fed": False, "state": False} | parts))
    return run, *unpacked(pack(laid, {}))


@pytest.mark.parametrize("key", ["loop-everything", "erase", "no-decay"])
def test_every_block_unfolds_to_the_core_s_values_within_half_a_level(key):
    run, head, blocks = packed(LESSONS[key].view, fed=True, state=True)
    trajectory = run.trajectory
    probs = 1 - trajectory.probs[:, 0, 0].numpy()
    assert abs(blocks["run.probability"] - probs).max() <= 0.5 / 255 + 1e-6
    margin = (trajectory.logits[:, 0, 1] - trajectory.logits[:, 0, 0]).numpy()
    assert abs(blocks["run.logit"] - margin).max() <= np.ptp(margin) / 65535
    assert (blocks["run.mask"] == trajectory.logits[:, 0].argmax(1).numpy()).all()
    for i in range(trajectory.h.shape[2]):
        h = trajectory.h[:, 0, i].numpy()
        assert abs(blocks[f"state.{i}"] - h).max() <= (np.ptp(h) + abs(h).max()) / 255
    v_hat = trajectory.v_hat[:, 0].numpy()
    assert all(
        abs(blocks[f"run.v_hat.{i}"][1:] - v_hat[:, i]).max() <= 0.5 / 255 + 1e-6
        for i in range(len(v_hat[0]))
    )
    delta = trajectory.delta[:, 0].norm(dim=1).numpy()
    assert abs(blocks["run.delta"][1:] - delta).max() <= delta.max() / 255
    assert ("ghost.mask" in blocks) == (key == "erase")
    assert head["curves"]["run"]["f1"][-1] == pytest.approx(
        2 * (blocks["run.mask"][-1] * run.labels[-1, 0].numpy()).sum()
        / (blocks["run.mask"][-1].sum() + run.labels[-1, 0].sum().item()), abs=1e-4
    )  # fmt: skip


def test_what_is_not_asked_for_is_not_sent():
    _, _, blocks = packed(ExploreState())
    assert not [name for name in blocks if name.startswith(("state", "run.v_hat"))]


def test_the_same_run_has_the_same_name_whatever_is_looked_at():
    first, second = packed(ExploreState())[1], packed(ExploreState(layer="error"), state=True)[1]
    assert first["run"] == second["run"] and first["id"] != second["id"]
    assert packed(ExploreState(noise=1))[1]["run"] != first["run"]


def test_a_swap_sends_both_images_and_scores_against_both():
    run, head, blocks = packed(ExploreState(task="grouping", do=(Swap(t=4, seed=9),)))
    assert blocks["input"].shape[0] == 2 and blocks["of_step"].tolist() == [0] * 4 + [1] * 7
    assert (blocks["truth"][1] == run.labels[-1, 0].numpy()).all()
    old = run.labels[0, 0].numpy() > 0
    mask = blocks["run.mask"][-1] > 0
    assert head["curves"]["run"]["old"][-1] == pytest.approx(
        2 * (mask & old).sum() / (mask.sum() + old.sum()), abs=1e-4
    )
    assert len(blocks["comparison.mask"]) == 11  # the feedforward model answers each image


def test_one_answer_is_sent_once():
    assert len(packed(ExploreState())[2]["comparison.mask"]) == 1


def test_curves_as_csv_are_those_of_the_screen():
    scene = scene_of(LESSONS["erase"].view, models.cards())
    run, untouched = computed.run(scene), computed.run(scene.untouched())
    rows = [line.split(",") for line in exports.table(run, untouched).splitlines()]
    table = dict(zip(rows[0], zip(*rows[1:])))
    assert table["t"] == tuple(map(str, range(21)))
    assert np.array(table["untouched_f1"], float)[-1] > 0.99 > np.array(table["model_f1"], float)[-1]
    assert table["model_delta"][0] == "" and float(table["model_norm"][3]) == pytest.approx(
        float(run.trajectory.h[3].norm()), rel=1e-5
    )


def test_files_name_interventions_and_cues_as_the_screen_does(tmp_path):
    from PIL import Image, ImageColor

    do = (Flip(t=2, switch="loop"), Swap(t=4, seed=9), Perturb(t=4, size=3.0), Perturb(t=99))
    scene = scene_of(ExploreState(task="grouping", cue=(5, 5), T=6, do=do), models.cards())
    run, untouched = computed.run(scene), computed.run(scene.untouched())
    rows = [line.split(",") for line in exports.table(run, untouched).splitlines()]
    at = {name: rows[0].index(name) for name in ("interventions", "cue_row", "cue_column")}
    named = [row[at["interventions"]] for row in rows[1:6]]
    assert named == ["", "", "cut the loop", "", "image 9; perturb by 3"]
    assert rows[1][at["cue_row"] :] == ["5", "5"] != rows[5][at["cue_row"] :]
    path = tmp_path / "run"
    path.write_bytes(exports.arrays(run))
    loaded = np.load(path)
    assert loaded["interventions"][0] == "t = 2: cut the loop" and loaded["cue"][:4].tolist() == [[5, 5]] * 4
    path.write_bytes(exports.animation(run, untouched, ["feedback", "feedforward"]))
    image, pink = Image.open(path), ImageColor.getrgb(marks.COLOUR)
    frame = np.asarray(image.convert("RGB"))
    found = (frame == pink).all(-1)
    place = int(exports.SIDE / 48 * 5.5)
    assert found[28 + place, 8 + place]  # the cue's dot
    below = found[exports.SIDE + 32 :]
    assert below[:24].any() and not below[26:].any()  # two triangles, and no word before step 2
    image.seek(2)
    assert (np.asarray(image.convert("RGB"))[exports.SIDE + 58 :] == pink).all(-1).any()


def test_images_that_take_the_first_ones_place_are_sent_with_their_truths_and_scores():
    view = ExploreState(task="grouping", image=2, T=3, do=(Swap(t=2, seed=9, noise=4), Perturb(t=1)))
    run = computed.run(scene_of(view, models.cards()))
    assert acts.seeds(run.scene) == [9]
    parts, (first, swapped) = acts.parts(run), acts.told(run)
    assert (first["seed"], swapped["seed"]) == (2, 9)
    assert torch.equal(parts["truth.1"], run.labels[2]) and torch.equal(parts["truth.0"], run.labels[0])
    task, config = task_of(run.scene.task), run.scene.task
    x = parts["clean.1"] + config.sigma * task.noise(config, 1, 4)  # which the browser draws by its seed
    assert torch.equal(task.normalise(config, x), run.x[2])
    header, blocks = unpacked(pack(lay_out(run, run, None, None, fed=False, state=False), {}))
    assert header["noisy"] == [True, False] and not [name for name in blocks if "noise" in name]
    assert [header["chance"][t] for t in (0, 2)] == [first["chance"], swapped["chance"]]
    assert [header["trivial"]["f1"][t] for t in (0, 2)] == [first["trivial"], swapped["trivial"]]
    assert header["cues"] == [list(first["cue"]), list(swapped["cue"])]
    drawn = scene_of(ExploreState(task="grouping", image=2, cue=(0, 0)), models.cards())
    assert acts.seeds(drawn) == [2]  # what it goes back to
    assert acts.told(computed.run(drawn))[0]["seed"] is None


def test_a_cue_on_background_is_told_and_on_a_region_it_is_not():
    cards = models.cards()
    for view, told in (
        (ExploreState(task="grouping"), False),
        (ExploreState(), False),  # a task without cues
        (ExploreState(task="grouping", image=2, cue=(0, 0)), True),
        (ExploreState(task="grouping", image=2, drawing=pack_mask(np.zeros((48, 48), bool))), True),
        (ExploreState(task="grouping", image=2, drawing=pack_mask(np.ones((48, 48), bool))), False),
    ):
        run = computed.run(scene_of(view.replace(T=1), cards))
        assert bool(cue_note(run, True)) == told == (not run.labels.any()), view
        if told:
            assert "click a region" in cue_note(run, True) and "click" not in cue_note(run, False)


def test_the_archive_holds_the_trajectory_bit_for_bit(tmp_path):
    run = computed.run(scene_of(ExploreState(task="grouping"), models.cards()))
    path = tmp_path / "run.npz"
    path.write_bytes(exports.arrays(run))
    loaded = np.load(path)
    assert (loaded["h"] == run.trajectory.h.numpy()).all() and (
        loaded["v_hat"] == run.trajectory.v_hat.numpy()
    ).all()
    assert "grouping-feedback" in json.loads(str(loaded["scene"]))["code"]


@pytest.mark.parametrize("kind", ["PNG", pytest.param("GIF", marks=pytest.mark.slow)])
def test_the_animation_has_a_frame_a_step(kind):
    scene = scene_of(LESSONS["erase"].view, models.cards())
    runs, names = computed.runs(scene), ["feedback", "feedforward"]
    image = Image.open(io.BytesIO(exports.animation(*runs, names, kind=kind)))
    assert image.n_frames == 21 and image.format == kind
    for t, frame in enumerate(exports.frames(*runs, names, None)):
        image.seek(t)
        off = np.abs(np.asarray(image.convert("RGB"), int) - np.asarray(frame, int))
        assert off.max() == 0 if kind == "PNG" else off.mean() < 3, t
        assert image.info["duration"] == exports.FRAME_MS


def test_a_scene_says_what_does_not_fit():
    from fbseg_core import ConfigError

    for view in (
        ExploreState(task="none"),
        ExploreState(model="grouping-feedback"),
        ExploreState(drawing="AAAA"),
        ExploreState(cue=(64, 0)),
    ):
        with pytest.raises(ConfigError):
            scene_of(view, models.cards())


def test_a_run_is_the_same_for_the_same_scene_and_drawn_images_are_used():
    scene = scene_of(LESSONS["unlearned-size"].view, models.cards())
    assert torch.equal(computed.run(scene).x, computed.run(scene).x)
    assert int(computed.run(scene).labels[0].sum()) > 2000


def test_the_error_of_a_leaky_state_is_sent_and_of_no_other():
    run, head, blocks = packed(ExploreState(integrator="leaky", k=0.3, T=6))
    trajectory = run.trajectory
    error = (trajectory.delta - trajectory.h[:-1])[:, 0].norm(dim=1).numpy()
    assert abs(blocks["run.mismatch"][1:] - error).max() <= error.max() / 255
    told = head["curves"]["run"]["delta"]
    assert told[0] is None and told[1:] == pytest.approx(trajectory.residual[:, 0].tolist(), rel=1e-4)
    assert "run.mismatch" not in packed(ExploreState(T=6))[2]
