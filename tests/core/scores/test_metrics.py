import pytest
import torch
from sklearn.metrics import f1_score, jaccard_score

from fbseg_core.scores.metrics import (
    chance,
    commit_time,
    confusion,
    entropy,
    f1,
    f1_over_time,
    flips,
    foreground,
    iou,
    score_by_step,
)


def masks(seed, classes=3):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(classes, (5, 9, 7), generator=generator) for _ in range(2)]


def test_scores_agree_with_scikit_learn():
    predicted, labels = masks(0)
    counts = confusion(predicted, labels, 3)
    for i in range(5):
        pair = labels[i].flatten(), predicted[i].flatten()
        assert f1(counts)[i].tolist() == pytest.approx(f1_score(*pair, average=None))
        assert iou(counts)[i].tolist() == pytest.approx(jaccard_score(*pair, average=None))
    pooled = f1_score(labels.flatten(), predicted.flatten(), average=None)
    assert f1(counts.pooled())[0].tolist() == pytest.approx(pooled)
    assert float(foreground(f1(counts.pooled()))) == pytest.approx(pooled[1:].mean())


def test_counts_add_up_to_the_pixels():
    assert sum(confusion(*masks(1), 3)).unique().tolist() == [63]


@pytest.mark.parametrize("predicted, true, score", [(0, 0, 1.0), (1, 0, 0.0), (0, 1, 0.0), (1, 1, 1.0)])
def test_empty_masks_have_defined_scores(predicted, true, score):
    counts = confusion(torch.full((1, 4, 4), predicted), torch.full((1, 4, 4), true), 2)
    assert f1(counts)[0, 1] == iou(counts)[0, 1] == score


def test_chance_is_all_foreground():
    labels = torch.zeros(1, 10, 10, dtype=torch.long)
    labels[0, :2] = 1
    assert chance(labels) == pytest.approx(2 * 0.2 / 1.2)


def test_f1_over_time_scores_each_step():
    labels = masks(2, 2)[1]
    right = torch.nn.functional.one_hot(labels, 2).permute(0, 3, 1, 2).float()
    assert f1_over_time(torch.stack([right, -right]), labels).tolist() == [[1.0] * 5, [0.0] * 5]


def test_shapes_must_agree():
    with pytest.raises(ValueError, match="differ in shape"):
        confusion(torch.zeros(1, 2, 2).long(), torch.zeros(1, 3, 2).long(), 2)


def test_flips_and_commit_time_of_a_known_history():
    # one pixel that never changes, one that settles at 2, one that flips at every step
    masks = torch.tensor([[0, 0, 0], [0, 1, 1], [0, 0, 0], [0, 0, 1]]).view(4, 1, 1, 3)
    assert flips(masks)[:, 0].tolist() == [0, 2, 2, 1]
    assert commit_time(masks).view(4, 3).tolist() == [[0, 0, 0], [0, 1, 1], [0, 2, 2], [0, 2, 3]]


def test_entropy_in_bits():
    probs = torch.tensor([[0.5, 0.5], [1.0, 0.0], [0.25, 0.75]]).T.view(1, 1, 2, 1, 3)
    assert entropy(probs).flatten().tolist() == pytest.approx([1.0, 0.0, 0.811278], abs=1e-5)


def test_scores_by_step_are_those_of_each_step_alone():
    logits = torch.randn(4, 2, 3, 9, 7, generator=torch.Generator().manual_seed(1))
    labels = torch.stack([masks(seed)[0][:2] for seed in range(4)])
    scores, overlaps = score_by_step(logits.argmax(2), labels, 3)
    for t in range(4):
        counts = confusion(logits[t].argmax(1), labels[t], 3)
        assert torch.equal(scores[t], foreground(f1(counts)))
        assert torch.equal(overlaps[t], foreground(iou(counts)))
    assert torch.equal(f1_over_time(logits, labels[0])[0], scores[0])
