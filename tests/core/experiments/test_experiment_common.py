"""What cells share: scores on fresh images with their counts."""

import numpy as np
import pytest

from fbseg_core.config import EVAL_SEED, ModelConfig, ShapesConfig
from fbseg_core.experiments.common import SCORES, score_fresh, seed_of_test
from fbseg_core.models.registry import build
from fbseg_core.tasks import make_batch
from fbseg_core.training.examples import seed_of

TASK = ShapesConfig(side=16)
MODEL = ModelConfig(width=2, depth=1, norm="batch")


def test_the_counts_are_those_of_the_scores():
    found = score_fresh(build(MODEL, 0).eval(), TASK, 12, 3, ("f1", "f1_batch"))
    labels = make_batch(TASK, 12, seed_of_test(3), "test").labels
    for name in ("f1", "f1_batch"):
        tp, fp, fn = (np.array(found["counts"][name][outcome]) for outcome in ("tp", "fp", "fn"))
        assert found[name] == pytest.approx(2 * tp.sum() / (2 * tp + fp + fn).sum(), abs=1e-4)
        assert (tp + fn).tolist() == (labels == 1).sum((1, 2)).tolist()
    assert found["test_seed"] == seed_of_test(3) and "f1_cut" not in found  # it was not asked for


def test_counts_are_kept_of_what_applies():
    plain = build(MODEL.replace(kind="feedforward", norm="group"), 0).eval()
    found = score_fresh(plain, TASK, 2, 0, SCORES)
    assert set(found["counts"]) == {"f1", "f1_first"} and found["f1_cut"] is found["f1_batch"] is None


def test_each_seed_is_tested_on_images_of_its_own():
    seen = [make_batch(TASK, 6, seed_of_test(seed), "test").labels for seed in range(3)]
    assert not (seen[0] == seen[1]).all() and not (seen[1] == seen[2]).all()


def test_no_test_image_is_drawn_from_a_stream_of_training():
    tests = {seed_of_test(seed) for seed in range(100)}
    assert min(tests) == EVAL_SEED and len(tests) == 100
    streams = [seed_of(seed, part, update) for seed in range(8) for part in (2, 4) for update in range(500)]
    streams += [seed_of(seed, part) for seed in range(8) for part in (1, 3)]
    assert min(streams) > max(tests)
