"""Links that a stranger may make: those of each screen, and what is done to them."""

import json
import random
from collections.abc import Iterator

from pages.evidence.state import EvidenceState
from pages.evidence.state import check as check_evidence
from pages.explore.run import scene_of
from pages.explore.state import ExploreState
from pages.few_shot import state as few_shot
from pages.learn.state import LearnState
from pages.live import world
from pages.live.state import LiveState
from pages.predictive.state import PredictiveState
from pages.stability.state import StabilityState, variants_of
from pages.ui import models
from pages.ui.link import Linked
from pages.your_data import state as your_data

# screen → its state, what its page checks a link by, and links that are sound
SCREENS = {
    "explore": (ExploreState, lambda view: scene_of(view, models.cards()), [
        {"task": "grouping", "T": "30", "tau": "2.5", "do": "perturb,t:5,size:2~flip,t:9~paint,mask:AAAA"},
        {"task": "folder", "source": "upload", "model": "mine:feedback-" + "0" * 16},
        {"sigma": "1.5", "cue": "[3,4]", "hide": '["models"]', "lesson": "", "eigenvalue": "0.5"},
    ]),
    "stability": (StabilityState, lambda view: variants_of(view, models.cards()), [
        {"T": "60", "clock": "9", "mode": "trained", "eigenvalue_v": "0", "log": "false"},
    ]),
    "few_shot": (few_shot.FewShotState, few_shot.check, [
        {"examples": "2", "own": '["0.r.7","1.u.' + "0" * 32 + '"]', "job": "a" * 32, "ablations": '["b"]'},
        {"task": "grouping", "own": '["0.d.AAAA.3-4"]', "seconds": "5"},
    ]),
    "live": (LiveState, world.check, [
        {"world": "shapes", "shown": '["shapes-feedback"]', "cue_at": "[1,2]", "switched_off": '["loop"]'},
    ]),
    "your_data": (your_data.YourDataState, your_data.check, [{"source": "upload", "side": "64", "job": "c"}]),
    "learn": (LearnState, lambda view: None, [{"at": "3", "guesses": "[0.5,null,2]"}]),
    "evidence": (EvidenceState, check_evidence, [{"claim": "noise", "charts": '["noise.1"]'}]),
    "predictive": (PredictiveState, lambda view: None, [{"source": "shapes", "trust": "0.5"}]),
}  # fmt: skip
TEXTS = [
    "",
    "0",
    "-1",
    "1e999",
    "NaN",
    "-Infinity",
    "9" * 400,
    "1" * 5000,
    "null",
    "true",
    "[]",
    "{}",
    '""',
    "[" * 977 + "]" * 977,
    '{"a":' * 300 + "1" + "}" * 300,
    "[[[[[1]]]]]",
    "<script>alert(1)</script>",
    "![x](http://e.org/x.png)",
    "../../etc/passwd",
    "C:\\x",
    "\0",
    "\ud800",
    "\u202e",
    "é" * 300,
    "x" * 7000,
    "0.u." + "f" * 32,
    '["0.d.' + "A" * 3000 + '"]',
    "[1,2,3,4,5]",
    '["a","a","a","a","a","a"]',
    "mine:feedback-0000000000000000",
    "mine:../x-0000000000000000",
    "0.5",
    "1e-320",
    "perturb,t:1e99",
    "paint,like:99,mask:" + "_" * 2000,
    "~" * 4000,
    "flip" + ",on:x" * 500,
    "javascript:alert(1)",
    "[null,null]",
    "[[]]",
    '[{"t":1}]',
]


def open_link(screen: str, link: dict[str, str]) -> Linked:
    """The state that a screen takes from a link, checked as its page does. Raises ConfigError."""
    kind, check, _ = SCREENS[screen]
    view = kind.from_link(link, {})
    check(view)
    return view


def damaged(count: int, seed: int) -> Iterator[tuple[str, dict[str, str]]]:
    """`count` links, each made from a sound one by one to three changes."""
    draw = random.Random(seed)
    for _ in range(count):
        screen = draw.choice(list(SCREENS))
        kind, _, links = SCREENS[screen]
        link = dict(draw.choice(links))
        for _ in range(draw.choice((1, 1, 2, 3))):
            _change(link, kind, draw)
        yield screen, link


def _change(link: dict[str, str], kind: type[Linked], draw: random.Random) -> None:
    key = (
        draw.choice([*kind.model_fields, *link, "v", "x" * 50])
        if draw.random() < 0.6
        else draw.choice(list(link) or ["v"])
    )
    before = link.get(key, "")
    act = draw.randrange(5)
    if act == 0:
        link[key] = draw.choice(TEXTS)
    elif act == 1 and before:
        at = draw.randrange(len(before))
        link[key] = before[:at] + draw.choice(TEXTS)[:200] + before[at + draw.randrange(3) :]
    elif act == 2:
        link[key] = before * draw.choice((2, 9))
    elif act == 3:
        link[key] = json.dumps(
            draw.choice(([before] * 40, {before: before}, [[before]], -1, 10**30, 0.1, None))
        )
    else:
        link.pop(key, None)
