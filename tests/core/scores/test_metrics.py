import pytest
import torch
from sklearn.metrics import confusion_matrix, f1_score, jaccard_score

from fbseg_core.scores.metrics import (
    VOID,
    chance,
    chance_of,
    commit_time,
    confusion,
    entropy,
    f1,
    f1_over_time,
    iou,
    label_flips,
    mean_f1,
    mean_iou,
    pooled_f1,
    score_by_step,
)


def masks(seed, classes=3, shape=(5, 9, 7)):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(classes, shape, generator=generator) for _ in range(2)]


def test_scores_agree_with_scikit_learn():
    predicted, labels = masks(0)
    counts = confusion(predicted, labels, 3)
    for i in range(5):
        pair = labels[i].flatten(), predicted[i].flatten()
        assert f1(counts)[i].tolist() == pytest.approx(f1_score(*pair, average=None))
        assert iou(counts)[i].tolist() == pytest.approx(jaccard_score(*pair, average=None))
    pooled = f1_score(labels.flatten(), predicted.flatten(), average=None)
    assert f1(counts.pooled())[0].tolist() == pytest.approx(pooled)
    assert pooled_f1(counts) == pytest.approx(pooled[1:].mean())


def test_counts_add_up_to_the_pixels():
    assert sum(confusion(*masks(1), 3)).unique().tolist() == [63]


@pytest.mark.parametrize("predicted, true, score", [(0, 0, 1.0), (1, 0, 0.0), (0, 1, 0.0), (1, 1, 1.0)])
def test_empty_masks_have_defined_scores(predicted, true, score):
    counts = confusion(torch.full((1, 4, 4), predicted), torch.full((1, 4, 4), true), 2)
    assert f1(counts)[0, 1] == iou(counts)[0, 1] == score


def test_f1_over_time_scores_each_step():
    labels = masks(2, 2)[1]
    right = torch.nn.functional.one_hot(labels, 2).permute(0, 3, 1, 2).float()
    assert f1_over_time(torch.stack([right, -right]), labels).tolist() == [[1.0] * 5, [0.0] * 5]


def test_label_flips_and_commit_time_of_a_known_history():
    # one pixel that never changes, one that settles at 2, one that flips at every step
    masks = torch.tensor([[0, 0, 0], [0, 1, 1], [0, 0, 0], [0, 0, 1]]).view(4, 1, 1, 3)
    assert label_flips(masks)[:, 0].tolist() == [0, 2, 2, 1]
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
        assert torch.equal(scores[t], mean_f1(counts))
        assert torch.equal(overlaps[t], mean_iou(counts))
    assert torch.equal(f1_over_time(logits, labels[0])[0], scores[0])


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_counts_agree_with_scikit_learns_confusion_matrix(classes):
    predicted, labels = masks(classes, classes, (4, 6, 5))
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
    logits, labels = torch.randn(3, 4, 3, 6, 5), masks(1, 3, (4, 6, 5))[1]
    scores = f1_over_time(logits, labels)
    assert scores.shape == (3, 4)
    for t in range(3):
        for i in range(4):
            truth, guess = labels[i].flatten(), logits[t, i].argmax(0).flatten()
            assert float(scores[t, i]) == pytest.approx(f1_score(truth, guess, average=None)[1:].mean())


def one(*rows):
    """One image of class numbers."""
    return torch.tensor(rows)[None]


@pytest.mark.parametrize(
    "predicted, labels, expected",
    [
        (one([0, 0, 0, 0]), one([1, 1, 0, 0]), 0.0),  # two of three kinds are in neither
        (one([1, 1, 0, 0]), one([1, 1, 0, 0]), 1.0),
        (one([1, 1, 2, 0]), one([1, 1, 0, 0]), 0.5),  # what is wrongly named counts
        (one([1, 1, 2, 0]), one([1, 1, 2, 2]), (1 + 2 / 3) / 2),
        (one([0, 0, 0, 0]), one([0, 0, 0, 0]), 1.0),  # nothing there is the right answer
        (one([3, 0, 0, 0]), one([0, 0, 0, 0]), 0.0),
    ],
)
def test_a_mean_is_over_the_classes_present_in_truth_or_answer(predicted, labels, expected):
    counts = confusion(predicted, labels, 4)
    assert mean_f1(counts).tolist() == pytest.approx([expected])
    assert pooled_f1(counts) == pytest.approx(expected)


def test_means_agree_with_scikit_learn_on_the_classes_present():
    predicted, labels = masks(4, 3)
    predicted, labels = 2 * predicted, 2 * labels  # classes 0, 2 and 4 of 6
    counts = confusion(predicted, labels, 6)
    for i in range(5):
        pair = labels[i].flatten(), predicted[i].flatten()
        assert float(mean_f1(counts)[i]) == pytest.approx(f1_score(*pair, labels=[2, 4], average="macro"))
        assert float(mean_iou(counts)[i]) == pytest.approx(
            jaccard_score(*pair, labels=[2, 4], average="macro")
        )


def test_void_pixels_are_counted_nowhere():
    predicted, labels = masks(5)
    hole = torch.rand(5, 9, 7, generator=torch.Generator().manual_seed(1)) < 0.4
    counts = confusion(predicted, labels.masked_fill(hole, VOID), 3)
    for i in range(5):
        known = confusion(predicted[i][~hole[i]][None, None], labels[i][~hole[i]][None, None], 3)
        for found, expected in zip(counts, known):
            assert torch.equal(found[i], expected[0])
    assert sum(counts)[:, 0].tolist() == (~hole).flatten(1).sum(1).tolist()


def test_an_image_of_void_alone_has_no_pixel_to_get_wrong():
    predicted = masks(6)[0]
    counts = confusion(predicted, torch.full_like(predicted, VOID), 3)
    assert not any(count.any() for count in counts) and mean_f1(counts).tolist() == [1.0] * 5
    assert chance(torch.full_like(predicted, VOID), 3) == 1.0


@pytest.mark.parametrize("shown", [(0, 1, 2, 3), (0, 3), (2,), (0,)])
def test_chance_is_the_best_constant_answer(shown):
    labels = torch.tensor(shown)[
        torch.randint(len(shown), (3, 8, 9), generator=torch.Generator().manual_seed(2))
    ]
    labels[:, 0] = VOID
    constants = [pooled_f1(confusion(torch.full_like(labels, k), labels, 4)) for k in range(4)]
    assert chance(labels, 4) == max(constants)
    some_answer = torch.randint(4, labels.shape, generator=torch.Generator().manual_seed(3))
    assert chance_of(confusion(some_answer, labels, 4)) == max(constants)


@pytest.mark.parametrize("at_once", [1, 63, 64, 200])
def test_counting_by_parts_changes_nothing(monkeypatch, at_once):
    predicted, labels = masks(7)
    whole, by_step = confusion(predicted, labels, 3), score_by_step(predicted[None], labels[None], 3)
    monkeypatch.setattr("fbseg_core.scores.metrics.COUNTED", at_once)
    assert all(torch.equal(a, b) for a, b in zip(confusion(predicted, labels, 3), whole))
    for found, expected in zip(score_by_step(predicted[None], labels[None], 3), by_step):
        assert torch.equal(found, expected)


def test_chance_on_images_without_a_shape_is_a_right_empty_mask():
    assert chance(torch.zeros(2, 4, 4, dtype=torch.long)) == 1.0
