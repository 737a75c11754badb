import pytest
import torch
from sklearn.metrics import confusion_matrix, f1_score

from fbseg_core.scores.metrics import chance, confusion, f1, f1_over_time, iou, mean_f1, mean_iou


def masks(seed, classes, shape=(4, 6, 5)):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(classes, shape, generator=generator) for _ in range(2)]


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_counts_agree_with_scikit_learns_confusion_matrix(classes):
    predicted, labels = masks(classes, classes)
    counts = confusion(predicted, labels, classes)
    for i in range(4):
        table = confusion_matrix(labels[i].flatten(), predicted[i].flatten(), labels=range(classes))
        assert counts.tp[i].tolist() == table.diagonal().tolist()
        assert counts.fp[i].tolist() == (table.sum(0) - table.diagonal()).tolist()
        assert counts.fn[i].tolist() == (table.sum(1) - table.diagonal()).tolist()
    assert all(count.dtype == torch.int64 and count.shape == (4, classes) for count in counts)


def test_pooling_counts_pixels_and_does_not_average_images():
    labels = torch.zeros(2, 10, 10, dtype=torch.long)
    labels[0] = 1
    labels[1, 0, 0] = 1
    predicted = torch.ones_like(labels)
    predicted[1] = 0
    counts = confusion(predicted, labels, 2)
    assert f1(counts)[:, 1].tolist() == [1, 0]
    assert float(f1(counts.pooled())[0, 1]) == pytest.approx(200 / 201)


def test_f1_and_iou_are_two_views_of_one_score():
    counts = confusion(*masks(0, 3), 3)
    assert torch.allclose(f1(counts), 2 * iou(counts) / (1 + iou(counts)))


@pytest.mark.parametrize("seed", range(5))
def test_scores_lie_between_0_and_1_even_where_classes_are_absent(seed):
    predicted, labels = masks(seed, 2)
    counts = confusion(predicted, labels, 5)
    for score in (f1, iou):
        values = score(counts)
        assert ((values >= 0) & (values <= 1)).all() and (values[:, 2:] == 1).all()
        assert not torch.stack([mean_f1(counts), mean_iou(counts)]).isnan().any()


def test_a_perfect_mask_scores_1_and_a_swapped_one_0():
    labels = masks(3, 2)[1]
    assert (f1(confusion(labels, labels, 2)) == 1).all() and not f1(confusion(1 - labels, labels, 2)).any()


@pytest.mark.parametrize("share", [0.01, 0.3, 0.99])
def test_chance_is_twice_p_over_one_plus_p(share):
    labels = (torch.rand(3, 40, 40, generator=torch.Generator().manual_seed(0)) < share).long()
    p = float(labels.double().mean())
    assert chance(labels) == pytest.approx(2 * p / (1 + p))


def test_chance_with_several_classes_takes_the_best_constant():
    labels = torch.zeros(1, 10, 10, dtype=torch.long)
    labels[0, :5], labels[0, 5] = 1, 2
    best = f1_score(labels.flatten(), [1] * 100, average=None, zero_division=0)[1:].mean()
    assert chance(labels, 3) == pytest.approx(best)


@pytest.mark.parametrize("shape", [(1, 2, 3), (2, 3, 2), (1, 3), (1, 1, 3, 2)])
def test_masks_of_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match="differ in shape"):
        confusion(torch.zeros(shape).long(), torch.zeros(1, 3, 2).long(), 2)


def test_f1_over_time_is_f1_of_the_most_likely_class_at_each_step():
    logits, labels = torch.randn(3, 4, 3, 6, 5), masks(1, 3)[1]
    scores = f1_over_time(logits, labels)
    assert scores.shape == (3, 4)
    for t in range(3):
        for i in range(4):
            truth, guess = labels[i].flatten(), logits[t, i].argmax(0).flatten()
            assert float(scores[t, i]) == pytest.approx(f1_score(truth, guess, average=None)[1:].mean())
