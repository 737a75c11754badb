import pytest

from fbseg_core import ConfigError
from fbseg_core.rollout.interventions import Flip, Freeze, Paint, Perturb, Swap
from pages.explore.lessons import LESSONS
from pages.explore.state import PARTS, ExploreState
from pages.ui.link import LONGEST

VIEWS = {key: lesson.view for key, lesson in LESSONS.items()}
FULL = ExploreState(
    task="grouping",
    model="grouping-feedback",
    sigma=0.3,
    T=12,
    auto=True,
    loop=False,
    eigenvalue=-0.5,
    clock=0,
    drawing="0123",  # looks like a number
    cue=(3, 4),
    do=(
        Perturb(t=3, size=0.5, seed=2),
        Flip(t=5, switch="decay"),
        Freeze(t=1),
        Swap(t=2),
        Paint(t=1, mask="1e5"),
    ),
    t=0,
    layer="error",
    of_class=3,
    draws=True,
    hide=("noise", "plane"),
)


@pytest.mark.parametrize("view", [ExploreState(), FULL, *VIEWS.values()])
def test_a_view_survives_its_link(view):
    assert ExploreState.from_link(view.link(VIEWS), VIEWS) == view


def test_a_link_holds_only_what_differs():
    assert ExploreState().link(VIEWS) == {}
    assert ExploreState(sigma=0.3).link(VIEWS) == {"v": "1", "sigma": "0.3"}
    assert VIEWS["late-perturbation"].link(VIEWS) == {"v": "1", "lesson": "late-perturbation"}
    changed = VIEWS["late-perturbation"].replace(T=None, do=())
    assert changed.link(VIEWS) == {"v": "1", "lesson": "late-perturbation", "T": "null", "do": ""}
    assert ExploreState.from_link(changed.link(VIEWS), VIEWS) == changed


@pytest.mark.parametrize(
    "bad, said",
    [
        ({"v": "2"}, "version"),
        ({"zz": "1"}, "'zz'"),
        ({"sigma": "1e400"}, "sigma"),
        ({"sigma": "NaN"}, "sigma"),
        ({"image": "1.5"}, "image"),
        ({"image": "9" * 5000}, "image"),
        ({"cue": "[1]"}, "cue"),
        ({"cue": "[" * 5000}, "cue"),
        ({"cue": "{}"}, "cue"),
        ({"do": "perturb,t:" + "[" * 4000}, "t"),
        ({"do": "~".join(["perturb"] * 13)}, "do"),
        ({"do": "perturb,kind:swap,size:3"}, ""),
        ({"hide": '[["noise"]]'}, "hide"),
        ({"lesson": "x"}, "lesson"),
        ({"drawing": "A" * LONGEST}, "longer"),
    ],
)
def test_a_link_that_cannot_be_read_is_refused_in_one_sentence(bad, said):
    with pytest.raises(ConfigError) as caught:
        ExploreState.from_link(bad, VIEWS)
    assert said in str(caught.value) and len(str(caught.value)) < 300 and "\n" not in str(caught.value)


def test_every_part_that_can_be_hidden_is_named_once():
    from pages.explore.exports import NAMES

    assert set(NAMES) == set(PARTS)
