"""The two runs of a few-shot comparison, the changes between them, one's own examples, rates changed."""

import pytest
import torch

from fbseg_core.config import FewShotConfig, GroupingConfig, ModelConfig, ShapesConfig, TrainConfig
from fbseg_core.models.registry import build
from fbseg_core.scores.evaluate import f1_by_step
from fbseg_core.settings import ConfigError
from fbseg_core.tasks import Content, make_batch
from fbseg_core.training.examples import Examples, training_examples
from fbseg_core.training.fewshot import (
    CHANGES,
    few_shot,
    open_changes,
    own_example,
    replace_example,
    seeds,
    with_changes,
)
from fbseg_core.training.fit import PROTOCOLS, fit, learning_rate, scale_at

SMALL = ModelConfig(width=4, depth=1, u=3, v=2, steps=4)
TASK = ShapesConfig(side=16, sigma=0.2)
SHORT = TrainConfig(examples=3, batch=2, updates=8, steps_min=2, steps_max=2, warmup=2, lr=0.01, flips=True)


def weights(model):
    return torch.cat([value.flatten().double() for value in model.state_dict().values()])


def trained(examples=None, rate=None, resume=None, train=SHORT):
    model = build(SMALL, train.seed)
    progress = list(fit(model, TASK, train, resume, examples=examples, rate=rate))
    return weights(model), progress


def test_matched_runs_differ_in_the_loop_alone():
    task, feedback, plain = few_shot(ShapesConfig(sigma=0.5), FewShotConfig())
    assert task == ShapesConfig(sigma=0.5) and feedback.model == ModelConfig()
    assert plain.model == feedback.model.replace(kind="feedforward")
    assert feedback.train == plain.train == PROTOCOLS["matched"]


def test_the_papers_runs_are_the_papers():
    task, feedback, plain = few_shot(ShapesConfig(rotate=True), FewShotConfig(protocol="paper", examples=4))
    assert (task.normalise, task.rotate, task.border) == ("minmax", False, "cut")
    assert feedback.train == plain.train == PROTOCOLS["paper"].replace(examples=4) and plain.train.total == 40
    assert (plain.model.kind, plain.model.norm, plain.model.delta_norm) == ("feedforward", "batch", False)
    assert (feedback.model.tau, feedback.model.steps, feedback.train.steps_max) == (0.2, 10, 5)


@pytest.mark.parametrize("protocol", ["paper", "matched"])
def test_every_setting_reaches_the_runs(protocol):
    setup = FewShotConfig(
        protocol=protocol, examples=1, steps=3, tau=7.0, softmax=False, decay=False, updates=9, seed=5
    )
    task, feedback, plain = few_shot(GroupingConfig(side=32), setup)
    assert (feedback.model.tau, feedback.model.projection, feedback.model.decay) == (7.0, "none", "none")
    assert (feedback.model.in_channels, feedback.model.steps) == (2, 6) and task.side == 32
    for run in (feedback, plain):
        assert (run.train.total, run.train.examples, run.train.batch, run.train.seed) == (9, 1, 1, 5)
        assert (run.train.steps_min, run.train.steps_max) == (3, 3)


@pytest.mark.parametrize("protocol", ["paper", "matched"])
def test_both_models_read_the_same_examples_with_the_same_noise(protocol):
    task, a, b = few_shot(ShapesConfig(side=16), FewShotConfig(protocol=protocol, examples=3))
    for update in (0, 4, 7):
        (x, steps), (y, others) = (Examples(task, run.train).batch(update) for run in (a, b))
        assert torch.equal(x.x, y.x) and torch.equal(x.labels, y.labels) and steps == others == 5


def test_examples_out_of_range_are_refused():
    with pytest.raises(ConfigError, match="1 to 32"):
        FewShotConfig(examples=33)


def test_changes_lead_from_the_papers_baseline_to_the_same_normalisation_and_budget():
    _, feedback, plain = few_shot(ShapesConfig(), FewShotConfig(protocol="paper"))
    assert open_changes(plain) == tuple(CHANGES)
    top = with_changes(plain, *CHANGES)
    assert top.model == feedback.model.replace(kind="feedforward") and top.train.total == 5 * 20
    assert top.name == "feedforward + group norm + normalised output + more updates"
    one = with_changes(plain, "group norm")
    assert one.train == plain.train and one.model == plain.model.replace(norm="group")
    assert open_changes(one) == ("normalised output", "more updates")
    with pytest.raises(ConfigError, match="group norm"):
        with_changes(plain, "depth")


def test_seeds_run_one_after_the_other_and_differ_in_nothing_else():
    _, run, _ = few_shot(ShapesConfig(), FewShotConfig(seed=3))
    runs = seeds(run, 3)
    assert [r.train.seed for r in runs] == [3, 4, 5] and [r.turn for r in runs] == [0, 1, 2]
    assert {r.train.replace(seed=0) for r in runs} == {run.train.replace(seed=0)}
    assert len({r.name for r in runs}) == 3


def test_given_examples_train_exactly_like_the_same_ones_drawn():
    plain, progress = trained()
    again, same = trained(training_examples(TASK, SHORT))
    assert torch.equal(plain, again) and progress == same
    assert training_examples(TASK, SHORT.replace(examples=0)) is None


def test_examples_of_ones_own_are_what_is_learned():
    square = torch.zeros(16, 16, dtype=torch.long)
    square[3:12, 2:9] = 1
    own = own_example(TASK, square)
    assert own.clean.shape == (1, 3, 16, 16) and torch.equal(own.clean[0, 1], square.float())
    drawn = training_examples(TASK, SHORT)
    examples = replace_example(drawn, 1, own)
    assert torch.equal(examples.labels[1], square) and torch.equal(examples.labels[0], drawn.labels[0])
    assert not torch.equal(drawn.labels[1], square)
    reader = Examples(TASK, SHORT.replace(flips=False), examples)
    seen = torch.cat([reader.batch(update)[0].labels for update in range(2)])
    assert any(torch.equal(labels, square) for labels in seen)
    assert not torch.equal(trained()[0], trained(examples)[0])


def test_a_redrawn_example_brings_its_facts_along():
    drawn, one = (training_examples(TASK, SHORT.replace(seed=seed)) for seed in (0, 1))
    examples = replace_example(drawn, -1, one)
    assert examples.info["cx"][2] == one.info["cx"][0] and examples.info["cx"][0] == drawn.info["cx"][0]
    with pytest.raises(IndexError):
        replace_example(drawn, 3, one)


@pytest.mark.parametrize(
    "change",
    [
        lambda c: Content(c.clean[:2], c.labels[:2]),
        lambda c: Content(c.clean[:, :2], c.labels),
        lambda c: Content(c.clean[..., :8], c.labels[..., :8]),
        lambda c: Content(c.clean * float("nan"), c.labels),
        lambda c: Content(c.clean, c.labels + 1),
        lambda c: Content(c.clean, c.labels - 1),
        lambda c: Content(c.clean, c.labels.float()),
    ],
    ids=["fewer", "channels", "side", "nan", "class 2", "class -1", "float labels"],
)
def test_examples_that_do_not_fit_are_refused_before_any_weight_moves(change):
    model = build(SMALL)
    before = weights(model)
    with pytest.raises(ConfigError, match="examples"):
        next(fit(model, TASK, SHORT, examples=change(training_examples(TASK, SHORT))))
    assert torch.equal(weights(model), before)


def test_drawings_that_do_not_fit_their_task_are_refused():
    with pytest.raises(ConfigError, match="labels"):
        own_example(TASK, torch.zeros(8, 8, dtype=torch.long))
    with pytest.raises(ConfigError, match="classes"):
        own_example(TASK, torch.full((16, 16), 2))
    with pytest.raises(ConfigError, match="cue"):
        own_example(GroupingConfig(side=16), torch.zeros(16, 16, dtype=torch.long))
    with pytest.raises(ConfigError, match="image"):
        own_example(TASK, torch.zeros(16, 16, dtype=torch.long), torch.zeros(1, 16, 16))


def test_of_changes_that_apply_the_last_made_holds():
    changes = [(3, 0.5), (6, 2.0), (5, 4.0)]
    assert [scale_at(changes, k) for k in range(8)] == [1, 1, 1, 0.5, 0.5, 4, 4, 4]
    assert scale_at([], 5) == 1


def test_a_rate_changed_in_flight_holds_from_that_update_on_and_resumes_exactly():
    changes = []

    def rate(update):
        return learning_rate(SHORT, update) * scale_at(changes, update)

    model, states, rates = build(SMALL), [], []
    for progress in fit(model, TASK, SHORT, rate=rate):
        if progress.update == 4:
            changes.append((4, 0.1))
        states.append(progress.snapshot())
        rates.append(progress.lr)
    plain, others = trained()
    assert rates[:4] == [p.lr for p in others[:4]]
    assert rates[4:] == [0.1 * p.lr for p in others[4:]]
    assert not torch.equal(plain, weights(model))
    for done in (2, 6):  # before and after the change
        resumed, rest = trained(rate=rate, resume=states[done - 1])
        assert torch.equal(resumed, weights(model)) and [p.lr for p in rest] == rates[done:]


@pytest.mark.slow
def test_two_shots_are_learned():
    task, _, plain = few_shot(ShapesConfig(sigma=0.2, side=32), FewShotConfig(updates=60))
    model = build(plain.model.replace(depth=2))
    *_, last = fit(model, task, plain.train)
    assert last.update == 60 and f1_by_step(model, make_batch(task, 40, 1000), 1)[-1] > 0.85
