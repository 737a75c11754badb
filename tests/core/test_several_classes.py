"""Shapes with a class for each kind, and as many classes as a model may have, through the whole core."""

import numpy as np
import pytest
import torch

from fbseg_core import Card, ModelConfig, ShapesConfig, TrainConfig, build, fit, load, make_batch, pca, save
from fbseg_core.__main__ import main
from fbseg_core.analysis.lockstep import walk
from fbseg_core.analysis.verdicts import mask_verdict
from fbseg_core.config import FewShotConfig
from fbseg_core.rollout.interventions import Flip, Paint, Swap, intervene, pack_mask
from fbseg_core.rollout.trajectory import rollout
from fbseg_core.scores.evaluate import evaluate
from fbseg_core.tasks import draw, task_of
from fbseg_core.training.fewshot import few_shot, own_example

TASK = ShapesConfig(side=24, sides=(3, 4, 0), count=3, multiclass=True, sigma=0.2, radius_max=0.4)
SMALL = ModelConfig(classes=4, width=4, depth=1, u=5, v=4, steps=4)
TRAIN = TrainConfig(batch=4, updates=25, lr=0.03, warmup=3, steps_min=3, steps_max=3, flips=True)
TOP = np.arange(24)[:, None].repeat(24, 1) < 3


@pytest.fixture(scope="module")
def learned():
    model = build(SMALL)
    losses = [progress.loss for progress in fit(model, TASK, TRAIN)]
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])
    return model


def test_scores_planes_and_verdicts(learned):
    batch = make_batch(TASK, 8, 1, "test")
    score = evaluate(learned, batch, 4)
    assert score.f1[-1] > score.f1[0] and len(score.f1) == 5
    run = rollout(learned, batch.x, 4)
    assert pca(run, what="logits").components.shape == (2, 4 * 512)
    both = walk(learned, batch, 12)
    assert both.clocked.masks.max() < 4 and both.mask.running.subject == "mask"


def test_a_model_is_saved_and_read_back(learned, tmp_path):
    written = save(learned, Card(SMALL, TASK, TRAIN, updates=25), tmp_path / "several.safetensors")
    model, card = load(tmp_path / "several.safetensors")
    batch = make_batch(TASK, 2, 5)
    assert card == written and torch.equal(model(batch.x), learned(batch.x))


def test_a_kind_of_shape_is_painted_by_its_name(learned):
    one = draw(TASK, 2, 3)
    plain = rollout(learned, one.x, 4)
    classes = plain.logits[3, 0].argmax(0)
    number = int(classes.max())
    name = task_of(TASK).class_names(TASK)[number]
    assert number > 0 and name in ("triangle", "square", "circle")
    do = [Flip(t=1), Flip(t=1, on=True), Paint(t=3, target="h", like=name, mask=pack_mask(TOP)), Swap(t=4)]
    done = intervene(learned, TASK, one, 5, do)
    assert not done.refused
    want = plain.h[3, 0][:, classes == number].mean(1)
    assert torch.allclose(done.trajectory.h[3, 0, :, 0, 0], want, atol=1e-5)
    assert torch.equal(done.labels[4], draw(TASK, 1, 0).labels)


def test_few_shot_runs_and_drawn_examples_have_the_task_s_classes():
    task, *runs = few_shot(TASK, FewShotConfig(examples=2, protocol="paper", updates=1, steps=2))
    assert task.multiclass and [run.model.classes for run in runs] == [4, 4]
    drawn = torch.zeros(24, 24, dtype=torch.int64)
    drawn[2:9, 2:9], drawn[12:20, 12:20] = 1, 3
    one = own_example(TASK, drawn)
    assert torch.equal(one.labels[0], drawn) and torch.equal(one.clean[0, 1] > 0, drawn > 0)


def test_the_command_line(tmp_path, capsys):
    out = tmp_path / "several.safetensors"
    task = ["--task.side", "16", "--task.sides", "3", "4", "0", "--task.multiclass"]
    small = ["--model.width", "4", "--model.depth", "1", "--model.steps", "2", "--images", "3"]
    assert main(["train", "shapes-matched", "--out", str(out), *task, *small, "--train.updates", "2"]) == 0
    assert load(out)[1].model.classes == 4
    assert main(["eval", str(out), "--images", "3", "--side", "24"]) == 0
    assert "24 px" in capsys.readouterr().out


def test_32_classes():
    model, x = build(SMALL.replace(classes=32)), torch.randn(1, 3, 16, 24)
    run = rollout(model, x, 4)
    assert run.probs.shape == (5, 1, 32, 16, 24) and pca(run, what="logits").points.shape == (5, 2)


def test_a_verdict_on_masks_does_not_ask_how_many_classes_there_are():
    generator = torch.Generator().manual_seed(0)
    few = torch.randint(0, 3, (4, 6, 10), generator=generator).repeat(5, 1, 1)  # comes back every 4 steps
    far = torch.tensor([0, 7, 31])[few]
    assert mask_verdict(few).name == "oscillating" and mask_verdict(few).period == 4
    assert str(mask_verdict(far)) == str(mask_verdict(few))
