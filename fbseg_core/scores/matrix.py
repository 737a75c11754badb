"""Which class is answered where: the confusion matrix of a model."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

import numpy as np
import torch

from fbseg_core.models.base import Model
from fbseg_core.rollout.trajectory import iterate
from fbseg_core.scores.metrics import mask_of, tally
from fbseg_core.tasks import Batch
from fbseg_core.tasks.batches import at_once


@torch.no_grad()
def confusion_matrix(model: Model, images: Batch | Iterable[Batch], steps: int) -> np.ndarray:
    """Pixels by true class and by answer after `steps` steps, (K, K) int64: the row is the truth.

    Void pixels are in none. images as in `evaluate`: a few are run at a time, and a run whose state leaves
    the range of numbers counts as it last was.
    """
    total = torch.zeros(model.classes, model.classes, dtype=torch.int64)
    for batch in (images,) if isinstance(images, Batch) else images:
        size = at_once(batch.labels[:1].numel())
        for x, labels in zip(batch.x.split(size), batch.labels.split(size)):
            for state in islice(iterate(model, x), steps + 1):
                h = state.h
            total += tally(mask_of(model.readout(h)).cpu(), labels, model.classes).sum(0)
    return total.numpy()
