"""From a name, or what came from outside, to a task; and what is said where there is none."""

import pytest
from five_classes import NAME, FiveClasses, FiveClassesConfig, registered

from fbseg_core import ConfigError, GroupingConfig, ShapesConfig, TaskConfig, make_batch
from fbseg_core.tasks import TASKS, parse_task, task_of


def test_a_task_is_one_line_in_the_registry():
    before = list(TASKS)
    with registered() as task:
        assert list(TASKS) == [*before, NAME] and isinstance(task_of(task), FiveClasses)
        assert parse_task(task.model_dump()) == task and parse_task({"name": NAME}) == task
    assert list(TASKS) == before
    with pytest.raises(ConfigError, match=f"no task '{NAME}'; choose from shapes, grouping"):
        make_batch(FiveClassesConfig(), 1, 0)


@pytest.mark.parametrize("task", [ShapesConfig(side=32), GroupingConfig(), FiveClassesConfig()])
def test_settings_written_as_json_are_read_back(task):
    with registered():
        assert parse_task(task.model_dump(mode="json")) == task


@pytest.mark.parametrize("values", [None, 3, [], "shapes", {}, {"sigma": 1.0}])
def test_settings_that_name_no_task_are_answered_with_the_tasks(values):
    with pytest.raises(ConfigError, match="must say which task it is; choose from shapes, grouping"):
        parse_task(values)


def test_a_setting_that_the_named_task_does_not_have_is_refused():
    with registered(), pytest.raises(ConfigError, match="unknown key 'side'; the keys are name, sigma"):
        parse_task({"name": NAME, "side": 32})


def test_settings_of_another_task_than_they_name_are_refused():
    with pytest.raises(ConfigError, match="set by a ShapesConfig, no TaskConfig"):
        task_of(TaskConfig(name="shapes"))
