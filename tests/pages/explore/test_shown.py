"""What is put on show of a scene is laid out once, whoever asks; a visitor's own header is not kept."""

import pytest
from received import unpacked

from fbseg_core.rollout.interventions import Perturb
from pages.explore import computed
from pages.explore.player.payload import lay_out, pack
from pages.explore.run import scene_of
from pages.explore.shown import on_show
from pages.explore.state import ExploreState
from pages.ui import models, server

PARTS = {"fed": False, "state": False}
PLANE = ("h", "image")


@pytest.fixture(autouse=True)
def empty():
    server.memo().clear()


def scene(**view):
    return scene_of(ExploreState(**view), models.cards())


def test_the_second_who_asks_waits_for_no_run(monkeypatch):
    first = on_show(scene(), PLANE, None, **PARTS)
    monkeypatch.setattr(computed, "compute", None)  # a run would fail
    server.memo()._shelves["runs"].clear()
    assert on_show(scene(), PLANE, None, **PARTS) is first
    with pytest.raises(TypeError):
        on_show(scene(sigma=0.7), PLANE, None, **PARTS)


def test_what_differs_is_laid_out_anew():
    asked = [
        on_show(scene(), PLANE, None, **PARTS),
        on_show(scene(), None, None, **PARTS),
        on_show(scene(), ("logits", "image"), None, **PARTS),
        on_show(scene(), PLANE, None, fed=True, state=False),
        on_show(scene(), PLANE, None, **PARTS, of_class=1),
        on_show(scene(do=(Perturb(t=3),)), PLANE, None, **PARTS),
    ]
    raw = [pack(one.laid, {}) for one in asked]
    assert len(set(raw)) == len(raw)


def test_it_is_what_the_run_comes_to():
    run, untouched = computed.runs(scene(do=(Perturb(t=3),)))
    found = on_show(run.scene, PLANE, None, **PARTS)
    laid = lay_out(run, untouched, computed.plane(untouched, *PLANE), None, **PARTS)
    told = {"epoch": 3, "answered": 5}
    assert pack(found.laid, told) == pack(laid, told)
    head, _ = unpacked(pack(found.laid, told))
    again, _ = unpacked(pack(found.laid, {"epoch": 4, "answered": 6}))
    assert (head["epoch"], again["epoch"]) == (3, 4) and head["id"] == again["id"]
    assert not found.astray and found.told == ()
    assert on_show(scene(task="grouping", cue=(0, 0), image=2), PLANE, None, **PARTS).astray
