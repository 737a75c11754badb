"""Links from before a field, a lesson or an intervention was renamed: they open the same view."""

import pytest

from pages.explore.lessons import LESSONS
from pages.explore.state import ExploreState
from pages.few_shot.state import FewShotState
from pages.stability.presets import PRESETS
from pages.stability.state import StabilityState

VIEWS = {key: lesson.view for key, lesson in LESSONS.items()}
PRESET_VIEWS = {key: preset.view for key, preset in PRESETS.items()}
JOB, OTHER = "a" * 32, "b" * 32
MATCHED = {"protocol": "matched"}  # what the Few-shot lab opened on once


@pytest.mark.parametrize(
    "kind, lessons, old, new",
    [
        (ExploreState, VIEWS, {"beside": "a-model"}, {"comparison": "a-model"}),
        (ExploreState, VIEWS, {"lesson": "late-kick", "t": "3"}, {"lesson": "late-perturbation", "t": "3"}),
        (ExploreState, VIEWS, {"do": "kick,t:3~flip,t:5"}, {"do": "perturb,t:3~flip,t:5"}),
        (StabilityState, PRESET_VIEWS, {"kick": "true"}, {"perturb": "true"}),
        (StabilityState, PRESET_VIEWS, {"lesson": "late-kick"}, {"lesson": "late-perturbation"}),
        (FewShotState, {}, {"rungs": f'["{JOB}"]'}, {"ablations": f'["{JOB}"]', **MATCHED}),
        (FewShotState, {}, {"job": OTHER, "luck": JOB}, {"job": OTHER, "repeats": JOB, **MATCHED}),
        (FewShotState, {}, {"examples": "4"}, {"examples": "4", **MATCHED}),
    ],
)
def test_an_old_link_opens_what_the_new_one_does(kind, lessons, old, new):
    view = kind.from_link({"v": "1", **old}, lessons)
    assert view == kind.from_link(new, lessons) != kind()
    assert view.link(lessons) == {"v": "1", **new}
