"""Whatever the core does, it does for five classes on 48 × 80 px with void pixels as well."""

import json

import numpy as np
import pytest
import torch
from five_classes import HEIGHT, NAME, NAMES, VOID, WIDTH, registered

from fbseg_core import Card, ConfigError, ModelConfig, TrainConfig, build, fit, load, make_batch, pca, save
from fbseg_core.__main__ import main
from fbseg_core.analysis.certificate import certify
from fbseg_core.analysis.ensemble import ensemble, redraw
from fbseg_core.analysis.jacobian import leading_eigenvalues
from fbseg_core.analysis.lockstep import shared_plane, walk
from fbseg_core.analysis.probes import response
from fbseg_core.config import FewShotConfig
from fbseg_core.rollout.halting import stops
from fbseg_core.rollout.interventions import Flip, Freeze, Paint, Perturb, Swap, intervene, pack_mask
from fbseg_core.rollout.trajectory import rollout
from fbseg_core.scores.evaluate import evaluate
from fbseg_core.tasks import draw, parse_task, task_of
from fbseg_core.training.fewshot import few_shot, own_example, replace_example
from fbseg_core.training.losses import losses_of

SIZE = (HEIGHT, WIDTH)
SMALL = ModelConfig(classes=5, width=4, depth=1, u=6, v=5, steps=4)
TRAIN = TrainConfig(batch=2, updates=30, lr=0.03, warmup=3, steps_min=3, steps_max=3, flips=True)


@pytest.fixture(scope="module")
def task():
    with registered() as config:
        yield config


@pytest.fixture(scope="module")
def learned(task):
    """A small model, and the loss of each update that made it."""
    model = build(SMALL)
    return model, [progress.loss for progress in fit(model, task, TRAIN)]


@pytest.fixture(scope="module")
def batch(task):
    return make_batch(task, 3, 7, "test")


def test_the_same_seed_draws_the_same_images_of_which_the_first_do_not_depend_on_how_many(task, batch):
    more = make_batch(task, 9, 7, "test")
    assert torch.equal(more.x[:3], batch.x) and torch.equal(more.labels[:3], batch.labels)
    assert batch.x.shape == (3, 3, *SIZE) and batch.labels.shape == (3, *SIZE)
    assert set(more.labels.unique().tolist()) == {0, 1, 2, 3, 4, VOID}
    assert not torch.equal(make_batch(task, 3, 7).labels, batch.labels)
    assert torch.equal(draw(task, 7, 7).x, batch.x[:1])
    assert len(set(task_of(task).palette(task))) == len(NAMES)


def test_training_lowers_the_loss(learned):
    _, losses = learned
    assert np.mean(losses[-5:]) < 0.6 * np.mean(losses[:5])


def test_a_validation_score_is_of_the_test_split(task, monkeypatch):
    kind, asked = type(task_of(task)), []
    content = kind.content

    def watched(self, config, n, seed, split="train"):
        asked.append((n, split))
        return content(self, config, n, seed, split)

    monkeypatch.setattr(kind, "content", watched)
    short = TrainConfig(batch=2, updates=1, steps_min=1, steps_max=1, eval_every=1)
    (progress,) = fit(build(SMALL), task, short)
    assert asked == [(32, "test"), (2, "train")] and len(progress.f1) == SMALL.steps + 1


def test_the_scores_of_every_step_count_no_void_pixel(learned, task, batch):
    score = evaluate(learned[0], batch, 4)
    other = type(batch)(batch.x, torch.where(batch.labels == VOID, 0, batch.labels))
    assert len(score.f1) == 5 and all(0 <= value <= 1 for value in (*score.f1, score.chance))
    assert score.f1[-1] > score.f1[0] and score.f1 != evaluate(learned[0], other, 4).f1


def test_void_pixels_teach_nothing(learned, batch):
    model, known = learned[0], batch.labels != VOID
    with torch.no_grad():
        losses = losses_of(model, batch, 2).losses
    logs = rollout(model, batch.x, 2).logits[1:].log_softmax(2).movedim(2, -1)[:, known]  # (T, pixels, K)
    of_labels = logs.gather(2, batch.labels[known].expand(2, -1)[..., None])
    assert torch.allclose(losses, -of_labels.mean((1, 2)))


MASK = np.zeros(SIZE, bool)
MASK[10:20, 50:78] = True
PACKED = pack_mask(MASK)
INTERVENTIONS = (
    Flip(t=1),
    Flip(t=2, switch="softmax"),
    Flip(t=2, switch="decay"),
    Freeze(t=2),
    Perturb(t=3, size=0.1),
    Paint(t=4, mask=PACKED),
    Paint(t=4, mask=PACKED, like=0),
    Paint(t=4, mask=PACKED, target="h", like="background"),
    Swap(t=5, seed=11, noise=12),
)


@pytest.mark.parametrize("item", INTERVENTIONS, ids=str)
def test_every_kind_of_intervention_acts_from_its_step_on(learned, task, item):
    model, one = learned[0], draw(task, 3, 4)
    plain, changed = rollout(model, one.x, 6), intervene(model, task, one, 6, [item])
    same = (changed.trajectory.h == plain.h).flatten(1).all(1).tolist()
    assert not changed.refused and all(same[: item.t]) and not all(same)


def test_interventions_together(learned, task):
    one, swapped = draw(task, 3, 4), draw(task, 11, 12)
    result = intervene(learned[0], task, one, 6, INTERVENTIONS)
    assert not result.refused and len(result.trajectory) == 6
    assert (result.trajectory.logits[4, 0].argmax(0)[torch.from_numpy(MASK)] == 0).all()  # erased
    assert torch.equal(result.labels[4], one.labels) and torch.equal(result.labels[5], swapped.labels)
    assert (result.labels == VOID).any()


@pytest.mark.parametrize("named", [False, True], ids=["by number", "by name"])
def test_paint_is_taken_from_one_class_alone(learned, task, named):
    model, one = learned[0], draw(task, 3, 4)
    plain = rollout(model, one.x, 4)
    h, classes = plain.h[4, 0], plain.logits[4, 0].argmax(0)
    assert len(classes.unique()) >= 3  # two kinds and the ground, so that "shape" is another colour
    number = int(classes.max())
    item = Paint(t=4, mask=PACKED, like=NAMES[number] if named else number)
    painted, marked = intervene(model, task, one, 4, [item]).trajectory.h[4, 0], torch.from_numpy(MASK)
    want = h[6:, classes == number].mean(1)
    assert torch.allclose(painted[6:, marked], want[:, None].expand(-1, int(marked.sum())), atol=1e-5)
    assert torch.equal(painted[:6], h[:6]) and torch.equal(painted[:, ~marked], h[:, ~marked])


@pytest.mark.parametrize("like", ["violet", 5, VOID])
def test_a_class_that_the_task_does_not_have_is_named_with_those_it_has(learned, task, like):
    result = intervene(learned[0], task, draw(task, 3, 4), 2, [Paint(t=1, mask=PACKED, like=like)])
    assert str(like) in result.refused[0] and "shape, ground, amber, moss, sky, rose" in result.refused[0]


def test_a_class_that_is_nowhere_seen_cannot_be_painted_with_and_is_called_by_its_name(task):
    model = build(SMALL)
    torch.nn.init.zeros_(model.head.weight)
    torch.nn.init.zeros_(model.head.bias)  # of equals the first: ground everywhere
    result = intervene(model, task, draw(task, 3, 4), 2, [Paint(t=1, mask=PACKED, like=3)])
    assert "labelled sky" in result.refused[0]


@pytest.mark.parametrize("what, channels", [("h", 11), ("u", 6), ("v", 5), ("logits", 5)])
def test_a_plane_of_each_part_holds_other_runs_and_regions(learned, batch, what, channels):
    run = rollout(learned[0], batch.x, 5)
    plane = pca(run, 2, what=what)
    assert (
        plane.size == SIZE and plane.points.shape == (6, 2) and plane.components.shape == (2, channels * 512)
    )
    assert np.allclose(plane.transform(run), plane.points) and 0.5 < plane.explained.sum() <= 1 + 1e-9
    regions = torch.stack([batch.labels[0] == k for k in batch.labels[0].unique()])
    means = pca(run, 2, what=what, regions=regions)
    assert means.points.shape == (len(regions), 6, 2) and means.mean.shape == (channels,)
    assert np.allclose(means.transform(run), means.points)


def test_stability_is_judged_and_its_parts_have_the_image_s_shape(learned, task, batch):
    model, one = learned[0], draw(task, 3, 4)
    both = walk(model, one, 12)
    for leg in (both.clocked, both.frozen):
        assert leg.masks.shape == leg.shape.shape == (13, *SIZE) and leg.masks.max() < len(NAMES)
        assert leg.sample.shape == (13, 11, 16, 16) and np.isfinite(leg.curves["f1"]).all()
    assert shared_plane([both.clocked, both.frozen]).points.shape == (26, 2)
    state = rollout(model, one.x, 3).state(3)
    found = leading_eigenvalues(model, one.x, state, 1, tolerance=0.1, most=20)
    assert found.neutral == 6 * HEIGHT * WIDTH and found.direction.shape == (11, *SIZE)
    pushed = response(model, one.x, state, 0.1, 3)
    assert pushed.clocked.shape == (4, 1) and pushed.clocked[0] == pytest.approx(0.1, rel=1e-3)
    run, proof = rollout(model, one.x, 12), certify(model, SIZE)
    away = torch.stack([(run.h[-1] - h).double().norm() for h in run.h])
    assert proof.holds and (away <= proof.envelope(0, 12)).all()
    assert all(steps.shape == (3,) for steps in stops(rollout(model, batch.x, 3)).values())


def test_noise_draws_of_one_image_are_scored_side_by_side(learned, task):
    draws = redraw(task, task_of(task).content(task, 1, 3, "test"), 4, 0)
    plane = pca(rollout(learned[0], draws.x, 2), what="v")
    for step, _ in zip(ensemble(learned[0], draws, plane=plane), range(2)):
        assert step.f1.shape == (4,) and (step.f1 <= 1).all() and step.points.shape == (4, 2)


def test_a_few_shot_comparison_and_examples_of_one_s_own(task):
    same, feedback, plain = few_shot(task, FewShotConfig(examples=2, updates=1, steps=2))
    assert same == task and feedback.model.classes == plain.model.classes == 5
    one = task_of(task).content(task, 1, 9)
    own = own_example(task, one.labels[0], one.clean[0])
    examples = replace_example(task_of(task).content(task, 2, 0), 1, own)
    assert torch.equal(examples.labels[1], one.labels[0]) and (own.labels == VOID).any()
    for each in (feedback, plain):
        small = each.model.replace(width=4, depth=1)
        (progress,) = fit(build(small), task, each.train, examples=examples)
        assert progress.stopped is None
    with pytest.raises(ConfigError, match="classes run from 0 to 4; 255 is void"):
        own_example(task, torch.full(SIZE, 5), one.clean[0])
    with pytest.raises(ConfigError, match=r"shape \(48, 80\)"):
        own_example(task, one.labels[0].T, one.clean[0])
    with pytest.raises(ConfigError, match="needs one with channels"):  # its images are no drawings
        own_example(task, one.labels[0])


def test_a_checkpoint_is_read_back_as_it_was_written(learned, task, batch, tmp_path):
    model, path = learned[0], tmp_path / "five.safetensors"
    written = save(model, Card(SMALL, task, TRAIN, updates=30), path)
    again, card = load(path)
    assert card == written and card.task == task and parse_task({"name": NAME, "sigma": 0.5}) == task
    assert torch.equal(rollout(again, batch.x, 3).logits, rollout(model, batch.x, 3).logits)


def test_the_command_line_trains_scores_and_describes(task, tmp_path, capsys):
    out = tmp_path / "five.safetensors"
    small = ["--model.width", "4", "--model.depth", "1", "--model.steps", "2", "--images", "3"]
    short = ["--train.batch", "2", "--train.updates", "2", "--train.examples", "0", "--task.sigma", "0.3"]
    assert main(["train", f"{NAME}-matched", "--out", str(out), *small, *short]) == 0
    assert main(["eval", str(out), "--images", "3", "--curve"]) == 0
    assert "48 × 80 px" in capsys.readouterr().out
    assert main(["info", str(out)]) == 0
    card = json.loads(capsys.readouterr().out)
    assert card["task"] == {"name": NAME, "sigma": 0.3} and card["model"]["classes"] == 5
    assert main(["eval", str(out), "--side", "32"]) == 2
    assert "side" in capsys.readouterr().err
