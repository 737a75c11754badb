"""Two tasks of five classes on 48 × 80 px with void seams, for the tests of Explore; one can be drawn."""

from typing import Literal

import torch

from fbseg_core import Card
from fbseg_core.config import ModelConfig, TaskConfig, TrainConfig
from fbseg_core.models.registry import build
from fbseg_core.tasks import TASKS, Content, Task
from fbseg_core.tasks.base import streams
from pages.ui import own_models

NAMES = ("ground", "water", "sand", "forest", "town")


class MosaicConfig(TaskConfig):
    name: Literal["mosaic", "sketched"] = "mosaic"

    @property
    def size(self):
        return 48, 80


class Mosaic(Task[MosaicConfig]):
    """Two rectangles of random classes on the ground, each rimmed by a seam of void."""

    config = MosaicConfig

    def channel_names(self, config):
        return ("red", "green", "blue")

    def class_names(self, config):
        return NAMES

    def content(self, config, n, seed, split="train"):
        (rng,) = streams(seed, 1)
        labels = torch.zeros(n, *config.size, dtype=torch.long)
        for image in labels:
            for left, kind in zip((4, 44), rng.permutation(4)[:2] + 1):
                top = int(rng.integers(4, 16))
                image[top - 1 : top + 21, left - 1 : left + 31] = 255
                image[top : top + 20, left : left + 30] = int(kind)
        levels = torch.tensor(
            [[0.0, 0.2, 1.0, 0.1, 0.9], [0.0, 0.3, 0.9, 0.8, 0.2], [0.0, 1.0, 0.2, 0.1, 0.3]]
        )
        return Content(levels[:, labels % 255].transpose(0, 1).contiguous(), labels)


class Sketched(Mosaic):
    """The same with a cue, and it can be drawn: what is drawn is water."""

    def channel_names(self, config):
        return ("grey", "cue")

    def cue_channel(self, config):
        return 1

    def noisy_channels(self, config):
        return (True, False)

    def content(self, config, n, seed, split="train"):
        made = super().content(config, n, seed, split)
        cue = torch.zeros(n, *config.size)
        cue[:, 20, 70] = 1
        return Content(torch.stack([(made.labels > 0).float(), cue], 1), made.labels)

    def drawn(self, config, mask, cue=None):
        dot = torch.zeros(config.size)
        if cue is not None:
            dot[cue] = 1
        return Content(torch.stack([mask.float(), dot])[None], mask.long()[None])

    def sketch(self, config, content):
        return content.labels[0] > 0, divmod(int(content.clean[0, 1].argmax()), config.size[1])


def register():
    TASKS.update(mosaic=Mosaic(), sketched=Sketched())


def forget():
    for name in ("mosaic", "sketched"):
        TASKS.pop(name, None)


def link(task="mosaic", **more):
    """The link to a feedback and a feedforward model of a task, which are kept as a visitor's own."""
    register()
    config, names = MosaicConfig(name=task, sigma=0.3), {}
    for field, kind in (("model", "feedback"), ("comparison", "feedforward")):
        channels = len(TASKS[task].channel_names(config))
        model = build(ModelConfig(kind=kind, classes=5, in_channels=channels, width=4, depth=2, steps=6), 3)
        card = Card(model.config, config, TrainConfig(), 0, "untrained", (0.1,) * 7, images=1, chance=0.2)
        names[field], _ = own_models.keep(model, card, own_models.Note(kind, "trained", 0.0))
    return {"task": task, **names, **more}
