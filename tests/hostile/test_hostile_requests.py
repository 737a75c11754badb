"""Requests to train that no page makes: refused in one sentence, before a worker or the disk sees them."""

import json

import pytest
import torch
from jobs_setup import SMALL, TASK, TRAIN, spec
from refusals import sentence_of

from fbseg_core.config import GroupingConfig, ModelConfig, ShapesConfig
from fbseg_core.tasks import Content
from fbseg_core.training.fewshot import TrainingRun
from pages.explore.player import requests
from pages.explore.state import ExploreState
from pages.jobs import Limits, Spec

LIMITS = Limits()


def run(name="a", model=SMALL, train=TRAIN):
    return TrainingRun(name, model, train)


def of(*runs, **more):
    return Spec(**({"task": TASK, "runs": runs or (run(),)} | more))


REFUSED = {
    "no run": Spec(TASK, ()),
    "many runs": of(*(run(str(i)) for i in range(1000))),
    "two of a name": of(run(), run()),
    "a long name": of(run("n" * 100_000, train=TRAIN.replace(updates=10**6))),
    "many updates": of(run(train=TRAIN.replace(updates=10**6))),
    "large model": of(run(model=ModelConfig(width=128, depth=4))),
    "large images": of(run(train=TRAIN.replace(batch=64, steps_max=30)), task=ShapesConfig(side=512)),
    "much disk": of(*(run(str(i), ModelConfig(width=64, depth=3)) for i in range(40))),
    "another task's model": of(task=GroupingConfig()),
    "negative seconds": of(seconds=-1.0),
    "endless": of(seconds=1e300),
    "not a number of seconds": of(seconds=float("nan")),
    "patience": of(run(train=TRAIN.replace(patience=3, eval_every=1))),
    "a rate of no run": of(changes=((7, 0, 1.0),)),
    "an infinite rate": of(changes=((0, 0, float("inf")),)),
    "a negative rate": of(changes=((0, -1, 1.0),)),
    "misshapen examples": of(
        examples=Content(torch.zeros(2, 1, 9, 9), torch.zeros(2, 9, 9, dtype=torch.int64))
    ),
    "examples of NaN": of(
        examples=Content(torch.full((2, 3, 16, 16), torch.nan), torch.zeros(2, 16, 16, dtype=torch.int64))
    ),
    "labels of no class": of(
        examples=Content(torch.zeros(2, 3, 16, 16), torch.full((2, 16, 16), 77, dtype=torch.int64))
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_request_is_refused_in_one_sentence(name):
    assert sentence_of(lambda: REFUSED[name].check(LIMITS)) is not None


ODD = [
    None,
    [],
    {},
    "",
    "x" * 100_000,
    -1,
    10**400,
    float("inf"),
    [[]],
    True,
    "<script>",
    "../..",
    {"name": "cats"},
]


@pytest.mark.parametrize("key", ["task", "runs", "seconds", "changes"])
def test_a_description_that_was_altered_is_refused_or_read(key):
    plain = spec().plain()
    Spec.parse(plain).check(LIMITS)
    for odd in [*ODD, *([one] for one in ODD)]:
        sentence_of(lambda odd=odd: Spec.parse(plain | {key: odd}).check(LIMITS))
    sentence_of(lambda: Spec.parse({k: v for k, v in plain.items() if k != key}))
    for inner in plain["runs"][0]:
        for odd in ODD:
            runs = [plain["runs"][0] | {inner: odd}]
            sentence_of(lambda runs=runs: Spec.parse(plain | {"runs": runs}).check(LIMITS))


WISHES = [
    {"look": {}}, {"look": []}, {"do": "x"}, {"do": [1]},
    {"do": [{"kind": []}]}, {"cue": 5}, {"cue": [[1]]}, {"sigma": []}, {"drawing": 7}, {"do": [{}] * 1000},
    {"do": [{"kind": "perturb", "size": 1e308}]}, {"do": [{"kind": "<script>"}]},
    {"image": "x"}, {"image": -1}, {"noise": 1000}, {"noise": [1]},
    {"do": [{"kind": "swap", "seed": -1}]}, {"do": [{"kind": "flip", "k" * 100_000: 1}]},
]  # fmt: skip


@pytest.mark.parametrize("wish", WISHES, ids=lambda wish: json.dumps(wish)[:40])
def test_whatever_a_component_asks_for_is_refused_in_one_sentence(wish):
    def ask():
        ExploreState().replace(**requests.changes(wish, ("t", "layer")))

    assert sentence_of(ask) is not None
