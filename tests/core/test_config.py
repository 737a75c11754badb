import math

import pytest

from fbseg_core.config import (
    GroupingConfig,
    ModelConfig,
    ShapesConfig,
    Switches,
    TrainConfig,
    paper_sigma,
    pixel_sigma,
)
from fbseg_core.settings import ConfigError, knobs

ALL = [Switches, ModelConfig, ShapesConfig, GroupingConfig, TrainConfig]


@pytest.mark.parametrize("config", ALL)
def test_unknown_keys_are_refused_by_name(config):
    with pytest.raises(ConfigError, match="'sigmaa'"):
        config(sigmaa=1)


@pytest.mark.parametrize("config", ALL)
def test_every_bounded_knob_refuses_what_lies_outside(config):
    bounded = [
        knob for knob in knobs(config).values() if knob.lo is not None and knob.kind in ("int", "float")
    ]
    assert bounded
    for knob in bounded:
        for bad in (knob.lo - 1, knob.hi + 1, math.nan, math.inf, "much", [1]):
            with pytest.raises(ConfigError) as refusal:
                config(**{knob.name: bad})
            assert knob.name in str(refusal.value)
            assert f"{knob.lo:g} to {knob.hi:g}" in str(refusal.value)
            assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("config", ALL)
def test_every_knob_has_help_and_a_default_in_range(config):
    for knob in knobs(config).values():
        assert knob.help or knob.name == "name"
        if knob.lo is not None and knob.default is not None:
            values = knob.default if knob.kind == "tuple" else (knob.default,)
            assert all(knob.lo <= value <= knob.hi for value in values)


@pytest.mark.parametrize("values", [None, 3, "x", [], {1: 2}])
def test_parse_takes_objects_only(values):
    with pytest.raises(ConfigError):
        ModelConfig.parse(values)


def test_configs_are_frozen_and_hashable():
    config = ModelConfig()
    with pytest.raises(ValueError):
        config.width = 3
    assert hash(config) == hash(ModelConfig()) and config == ModelConfig()


def test_replace_validates_again():
    assert ModelConfig().replace(width=16).width == 16
    with pytest.raises(ConfigError, match="width"):
        ModelConfig().replace(width=0)


@pytest.mark.parametrize(
    "config, values, key",
    [
        (ModelConfig, {"projection": "sharpmax"}, "projection"),
        (ModelConfig, {"decay": "linear"}, "decay"),
        (ModelConfig, {"spectrum": (-1.0, -2.0)}, "spectrum"),
        (ModelConfig, {"spectrum": (math.nan,)}, "spectrum"),
        (Switches, {"spectrum": ()}, "spectrum"),
        (ShapesConfig, {"sides": (2,)}, "sides"),
        (ShapesConfig, {"radius_min": 0.3, "radius_max": 0.2}, "radius_min"),
        (TrainConfig, {"steps_min": 9, "steps_max": 3}, "steps_min"),
        (TrainConfig, {"epochs": 2, "examples": 0}, "epochs"),
        (TrainConfig, {"patience": 2}, "patience"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(config, values, key):
    with pytest.raises(ConfigError, match=key):
        config(**values)


def test_changed_holds_only_what_differs():
    assert Switches(tau=3.0).changed() == {"tau": 3.0}
    assert Switches().changed() == {}


def test_paper_sigma_is_the_512_px_equivalent():
    assert ShapesConfig(side=64, sigma=1.0).paper_sigma == 8.0
    assert paper_sigma(0.5, 64) == 4.0 and pixel_sigma(4.0, 64) == 0.5
    assert all(paper_sigma(pixel_sigma(paper, 24), 24) == paper for paper in (0.0, 1.0, 6.0, 10.0, 32.0))
