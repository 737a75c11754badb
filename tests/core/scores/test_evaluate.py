import pytest
import torch

from fbseg_core import ShapesConfig, Switches, build, load, make_batch, rollout
from fbseg_core.analysis.allocated import peak_bytes
from fbseg_core.config import GroupingConfig, ModelConfig
from fbseg_core.scores.evaluate import counts_by_step, evaluate, f1_by_step, trivial_f1
from fbseg_core.scores.metrics import VOID, confusion, f1, iou, mask_of, pooled_f1
from fbseg_core.tasks import Batch
from fbseg_core.tasks.batches import Batches, at_once

TASK = ShapesConfig(side=16, sides=(3, 0, 4), multiclass=True, count=2)
MODEL = ModelConfig(classes=4, width=4, depth=1)


def test_counts_are_those_of_the_whole_trajectory_at_every_step():
    model, card = load("grouping-feedback")
    batch = make_batch(card.task, 5, 3)
    for switches in (Switches(), Switches(loop=False), Switches(softmax=False, decay=False)):
        logits = rollout(model, batch.x, 7, switches=switches).logits
        counts = counts_by_step(model, batch, 7, switches)
        assert len(counts) == 8
        for t in range(8):
            expected = confusion(mask_of(logits[t]), batch.labels, 2)
            assert all(torch.equal(one, other) for one, other in zip(counts[t], expected))


def test_a_run_that_ends_early_keeps_its_last_mask():
    model, card = load("grouping-feedback")
    batch, grows = make_batch(card.task, 3, 3), Switches(spectrum=(10.0,), tau=0.05)
    reached = len(rollout(model, batch.x, 10, switches=grows))
    found = f1_by_step(model, batch, 10, grows)
    assert 0 < reached < 10 and len(found) == 11
    assert set(found[reached:]) == {found[reached]}


def test_a_score_is_by_class_and_its_mean_is_over_the_classes_present():
    model = build(MODEL)
    batch = make_batch(TASK, 6, 0)
    labels = batch.labels.masked_fill(batch.labels == 3, VOID)
    labels[:, 0] = VOID
    score = evaluate(model, Batch(batch.x, labels), 2)
    for t, counts in enumerate(counts_by_step(model, Batch(batch.x, labels), 2)):
        whole = counts.pooled()
        for found, of in ((score.class_f1[t], f1(whole)), (score.class_iou[t], iou(whole))):
            assert [v is not None for v in found] == whole.present[0].tolist()
            assert [v for v in found if v is not None] == of[whole.present].tolist()
        for mean, found in ((score.f1[t], score.class_f1[t]), (score.iou[t], score.class_iou[t])):
            here = [v for v in found[1:] if v is not None]
            assert mean == pytest.approx(sum(here) / len(here) if here else 1.0)
        assert sum(count.sum() for count in whole).item() == 4 * (labels != VOID).sum().item()
    assert all(low <= mean <= high for low, mean, high in zip(score.low, score.f1, score.high))


def test_the_interval_resamples_the_score_itself():
    """Of images that are all alike every sample is the same, whatever classes they lack."""
    batch = make_batch(TASK, 1, 5)
    alike = Batch(batch.x.expand(4, -1, -1, -1), batch.labels.expand(4, -1, -1))
    score = evaluate(build(MODEL), alike, 2)
    assert score.low == pytest.approx(score.f1) and score.high == pytest.approx(score.f1)


def test_images_may_be_drawn_as_they_are_read():
    model = build(MODEL)
    whole = evaluate(model, make_batch(TASK, 70, 4), 2)
    assert evaluate(model, Batches(TASK, 70, 4), 2) == whole and whole.images == 70


def test_images_that_are_run_together_are_bounded_by_their_pixels():
    assert [at_once(side**2) for side in (16, 64, 128, 256, 512, 4096)] == [32, 32, 8, 2, 1, 1]


@pytest.mark.slow
def test_memory_depends_on_neither_steps_nor_images():
    model, task = build(ModelConfig(width=2, depth=1)), ShapesConfig(side=64)

    def peak(n, steps):
        return peak_bytes(lambda: evaluate(model, Batches(task, n, 0), steps))

    few, many = peak(32, 2), peak(128, 12)
    counts = 13 * 128 * 2 * 2 * 8  # bytes of what is kept: a tally of each image at each step
    assert many < few + 4 * counts < 1.1 * few


def test_pooling_is_over_all_parts_of_the_images():
    model = build(MODEL)
    batch = make_batch(TASK, 40, 8)
    counts = counts_by_step(model, batch, 1)[-1]
    assert len(counts.tp) == 40
    mask = mask_of(rollout(model, batch.x, 1).logits[-1])
    assert pooled_f1(counts) == pytest.approx(pooled_f1(confusion(mask, batch.labels, 4)), abs=2e-3)


def test_the_trivial_baseline_is_scored_on_the_same_images():
    task = GroupingConfig(side=24)
    batch, model = make_batch(task, 7, 0), build(ModelConfig(in_channels=2, width=2, depth=1, steps=2))
    expected = pooled_f1(confusion(batch.trivial, batch.labels, 2))
    assert evaluate(model, Batches(task, 7, 0, part=3), 1).trivial == expected == trivial_f1(batch, 2)
    assert evaluate(model, batch, 1).chance < expected < 1  # two regions at least, so it marks too much
    assert trivial_f1(make_batch(ShapesConfig(side=16), 2, 0), 2) is None
