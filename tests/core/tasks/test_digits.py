import numpy as np
import pytest
import torch

from fbseg_core.config import DigitsConfig
from fbseg_core.settings import ConfigError
from fbseg_core.tasks import TASKS, make_batch
from fbseg_core.tasks.digits import PATCH_GREY, handwriting, sources

KIND = TASKS["digits"]
CROWDED = DigitsConfig(count=5, apart=0.0, patches=2, debris=10)


def drawn(n=12, seed=3, split="train", **changes):
    return KIND.content(CROWDED.replace(**changes), n, seed, split)


def test_training_and_test_share_no_digit_and_each_has_every_kind_of_them():
    train, test = sources("train"), sources("test")
    assert not set(train) & set(test) and len(train) + len(test) == 1797 and len(test) == 599
    kinds = handwriting()[1]
    assert np.bincount(kinds[train]).min() >= 100 and np.bincount(kinds[test]).min() >= 50
    for split, known in (("train", train), ("test", test)):
        assert set(drawn(split=split).info["source"].unique().tolist()) <= set(known)


@pytest.mark.slow  # to import scikit-learn's data sets takes seconds
def test_the_handwriting_is_scikit_learn_s():
    from sklearn.datasets import load_digits

    fine, kinds = handwriting()
    found = load_digits()
    assert np.array_equal(kinds, found.target) and fine.min() == 0 and fine.max() == 1
    coarse = fine.view(-1, 8, 4, 8, 4).mean((2, 4)).flatten(1).numpy()
    assert np.corrcoef(coarse.ravel(), found.images.ravel())[0, 1] > 0.98


def test_labels_are_of_the_digits_in_the_image_and_lie_on_ink():
    content = drawn()
    for clean, labels, digits in zip(content.clean[:, 0], content.labels, content.info["digit"]):
        assert set(labels.unique().tolist()) <= {0, *(digits + 1).tolist()}
        assert (clean[labels > 0] >= 0.5).all()


def test_one_digit_alone_is_labelled_where_its_ink_is():
    content = drawn(count=1, debris=0, patches=0)
    assert torch.equal(content.labels > 0, content.clean[:, 0] >= 0.5)
    assert torch.equal(content.labels.amax((1, 2)), content.info["digit"][:, 0] + 1)
    assert (content.info["hidden"] == 0).all()


def test_the_whole_digit_is_what_is_seen_and_what_is_hidden():
    visible, whole = drawn(), drawn(target="whole")
    assert torch.equal(visible.clean, whole.clean)
    seen = visible.labels > 0
    assert torch.equal(visible.labels[seen], whole.labels[seen])
    assert (whole.labels > 0).sum() > seen.sum()
    grey = torch.isclose(visible.clean[:, 0], torch.tensor(PATCH_GREY))
    assert not seen[grey].any() and (whole.labels[grey] > 0).any()


def test_the_front_digit_is_hidden_by_nothing_but_patches():
    bare, patched = drawn(patches=0).info["hidden"], drawn(patches=6).info["hidden"]
    assert (bare[:, -1] == 0).all() and (bare[:, 0] > 0).any() and (bare <= 1).all()
    assert (patched >= bare).all() and (patched[:, -1] > 0).any()


def test_debris_lies_behind_and_changes_no_label():
    bare, littered = drawn(debris=0), drawn(debris=40)
    assert torch.equal(bare.labels, littered.labels)
    assert (littered.clean >= bare.clean).all() and (littered.clean > bare.clean).float().mean() > 0.1


def test_digits_keep_apart_where_there_is_room():
    def nearest(apart):
        info = drawn(40, count=3, apart=apart, side=96).info
        x, y = info["cx"], info["cy"]
        away = torch.hypot(x[:, :, None] - x[:, None], y[:, :, None] - y[:, None])
        return float(away[away > 0].min())

    assert nearest(0.0) < 10 and nearest(1.0) >= 20
    assert float(drawn(20, count=6, apart=1.5).info["cx"].max()) <= 38  # and where there is none, inside


def test_a_digit_larger_than_the_image_is_refused():
    with pytest.raises(ConfigError, match="height: a digit must not be larger"):
        DigitsConfig(side=16, height=20)
    assert make_batch(DigitsConfig(side=16, height=16), 2, 0).x.shape == (2, 1, 16, 16)
