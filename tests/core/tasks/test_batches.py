import pytest
import torch

from fbseg_core import GroupingConfig, ShapesConfig, make_batch
from fbseg_core.config import DigitsConfig, TexturesConfig
from fbseg_core.tasks import TASKS, task_of
from fbseg_core.tasks.batches import Batches
from fbseg_core.tasks.shapes import Shapes, cover

TASKS_TRIED = [
    ShapesConfig(side=24, sides=(3, 0, 4), multiclass=True, count=2, rotate=True),
    ShapesConfig(side=16, border="inside", normalise="minmax", channels=1),
    GroupingConfig(side=24, winding=0.5),
    DigitsConfig(side=24, height=16, patches=1),
    TexturesConfig(side=24, kinds="scale"),
]


@pytest.mark.parametrize("task", TASKS_TRIED)
@pytest.mark.parametrize("n, part", [(7, 3), (6, 3), (40, 33), (2, 8), (1, 1)])
def test_parts_are_the_whole_batch_bit_for_bit(task, n, part):
    whole, batches = make_batch(task, n, 5), Batches(task, n, 5, part=part)
    parts = list(batches)
    assert [len(one) for one in parts] == [min(part, n - i) for i in range(0, n, part)]
    assert torch.equal(torch.cat([one.x for one in parts]), whole.x)
    assert torch.equal(torch.cat([one.labels for one in parts]), whole.labels)
    for key, value in whole.info.items():
        assert torch.equal(torch.cat([one.info[key] for one in parts]), value)
    again = list(batches)  # as often as asked
    assert all(torch.equal(one.x, other.x) for one, other in zip(parts, again))


def test_a_part_is_drawn_when_it_is_asked_for(monkeypatch):
    rendered = []

    def counted(side, cx, *rest):
        rendered.append(len(cx))
        return cover(side, cx, *rest)

    monkeypatch.setattr("fbseg_core.tasks.shapes.cover", counted)
    parts = iter(Batches(ShapesConfig(side=16), 9, 0, part=2))
    for drawn in (2, 4, 6):
        next(parts)
        assert sum(rendered) == drawn


def test_a_task_that_changes_what_is_drawn_need_not_say_it_twice(monkeypatch):
    class Changed(Shapes):
        def content(self, config, n, seed, split="train"):
            content = super().content(config, n, seed, split)
            content.labels[:, 0] = 255
            return content

        def noise(self, config, n, seed):
            return super().noise(config, n, seed) + 1

    task = ShapesConfig(side=16, normalise="none")
    plain = make_batch(task, 5, 3)
    monkeypatch.setitem(TASKS, "shapes", Changed())
    whole, parts = make_batch(task, 5, 3), list(Batches(task, 5, 3, part=2))
    assert torch.allclose(whole.x, plain.x + task.sigma) and (whole.labels[:, 0] == 255).all()
    assert torch.equal(torch.cat([one.x for one in parts]), whole.x)
    assert torch.equal(torch.cat([one.labels for one in parts]), whole.labels)


@pytest.mark.filterwarnings("ignore:std_mean")
@pytest.mark.parametrize("task", TASKS_TRIED)
def test_no_images_are_an_empty_batch(task):
    assert len(make_batch(task, 0, 0)) == 0 and sum(map(len, Batches(task, 0, 0))) == 0
    assert task_of(task).noise(task, 0, 0).shape[0] == 0
