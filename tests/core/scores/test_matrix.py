"""The confusion matrix holds the counts that scores are made of."""

import pytest

from fbseg_core.config import ModelConfig
from fbseg_core.models.registry import build
from fbseg_core.scores.evaluate import evaluate
from fbseg_core.scores.matrix import confusion_matrix
from fbseg_core.tasks import make_batch
from fbseg_core.tasks.batches import Batches
from fbseg_core.tasks.textures import Textures

TASK = Textures.config(side=32)


def test_f1_of_each_class_follows_from_it_at_any_step():
    model = build(ModelConfig(in_channels=1, classes=4, width=2, depth=1, u=4, v=4, steps=3)).eval()
    batch = make_batch(TASK, 3, 5, "test")
    score = evaluate(model, batch, 3)
    for steps in (1, 3):
        table = confusion_matrix(model, batch, steps)
        assert table.sum() == batch.labels.numel()
        either = table.sum(0) + table.sum(1)
        for k, f1 in enumerate(score.class_f1[steps]):
            assert f1 == pytest.approx(2 * table[k, k] / either[k])
        assert (table == confusion_matrix(model, Batches(TASK, 3, 5, "test", 2), steps)).all()
