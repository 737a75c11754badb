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
from fbseg_core.settings import ConfigError, settings_of

ALL = [Switches, ModelConfig, ShapesConfig, GroupingConfig, TrainConfig]


@pytest.mark.parametrize("config", ALL)
def test_unknown_keys_are_refused_by_name(config):
    with pytest.raises(ConfigError, match="'sigmaa'"):
        config(sigmaa=1)


@pytest.mark.parametrize("config", ALL)
def test_every_bounded_setting_refuses_what_lies_outside(config):
    bounded = [
        setting
        for setting in settings_of(config).values()
        if setting.lo is not None and setting.kind in ("int", "float")
    ]
    assert bounded
    for setting in bounded:
        for bad in (setting.lo - 1, setting.hi + 1, math.nan, math.inf, "much", [1]):
            with pytest.raises(ConfigError) as refusal:
                config(**{setting.name: bad})
            assert setting.name in str(refusal.value)
            assert f"{setting.lo:g} to {setting.hi:g}" in str(refusal.value)
            assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("config", ALL)
def test_every_setting_has_help_and_a_default_in_range(config):
    for setting in settings_of(config).values():
        assert setting.help or setting.name == "name"
        if setting.lo is not None and setting.default is not None:
            values = setting.default if setting.kind == "tuple" else (setting.default,)
            assert all(setting.lo <= value <= setting.hi for value in values)


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
        (ModelConfig, {"spectrum": ()}, "spectrum"),
        (ModelConfig, {"spectrum": (-1.0,) * 11}, "U.V = 12"),
        (ModelConfig, {"spectrum": (10.1,)}, "spectrum"),
        (ModelConfig, {"spectrum": "-1"}, "spectrum"),
        (ModelConfig, {"projection": 3}, "projection"),
        (Switches, {"spectrum": (float("inf"),)}, "spectrum"),
        (ShapesConfig, {"sides": ()}, "sides"),
        (ShapesConfig, {"sides": (1,)}, "sides"),
        (ShapesConfig, {"sides": (9,)}, "sides"),
        (ShapesConfig, {"sides": (3, 3)}, "sides"),
        (ShapesConfig, {"sides": (3.5,)}, "sides"),
        (ShapesConfig, {"name": "grouping"}, "name"),
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


@pytest.mark.parametrize("config", ALL)
def test_settings_list_every_field_in_order(config):
    assert list(settings_of(config)) == list(config.model_fields) == list(config().model_dump())


@pytest.mark.parametrize("config", ALL)
def test_choices_and_flags_refuse_other_values_and_name_what_is_allowed(config):
    for setting in settings_of(config).values():
        if setting.kind not in ("choice", "bool"):
            continue
        for bad in ("perhaps", [1], {"a": 1}):
            with pytest.raises(ConfigError) as refusal:
                config(**{setting.name: bad})
            allowed = ", ".join(map(str, setting.choices)) if setting.choices else "true or false"
            assert f"{setting.name} = " in str(refusal.value) and allowed in str(refusal.value)


@pytest.mark.parametrize("config", ALL)
def test_every_default_is_accepted_when_given(config):
    assert config(**config().model_dump()) == config.parse(config().model_dump(mode="json")) == config()


@pytest.mark.parametrize("config", ALL)
def test_bounds_themselves_are_allowed(config):
    for setting in settings_of(config).values():
        if setting.kind not in ("int", "float") or setting.name in (
            "radius_min",
            "steps_min",
            "epochs",
            "patience",
        ):
            continue
        values = [setting.lo, setting.hi]
        if setting.name in ("radius_max", "steps_max"):  # may not fall below their partner
            values = [setting.hi]
        assert [getattr(config(**{setting.name: value}), setting.name) for value in values] == values


@pytest.mark.parametrize("config", ALL)
@pytest.mark.parametrize("values", [None, 3, "x", b"x", [], [("seed", 1)], {1: 2}, {None: 1}, object()])
def test_only_named_settings_are_parsed(config, values):
    with pytest.raises(ConfigError, match=config.__name__):
        config.parse(values)


@pytest.mark.parametrize("config", ALL)
def test_no_setting_can_be_assigned_or_added(config):
    settings, before = config(), config()
    for name in (*config.model_fields, "other"):
        with pytest.raises(ValueError):
            setattr(settings, name, 1)
    assert settings == before and hash(settings) == hash(before)


@pytest.mark.parametrize("values", [(-1,), [-1.0], [-1.0] * 12, range(-10, 2)])
def test_spectra_of_any_sequence_are_kept_as_hashable_tuples(values):
    config = ModelConfig(spectrum=tuple(values))
    assert config.spectrum == tuple(map(float, values)) and isinstance(hash(config), int)


@pytest.mark.parametrize(
    "config, changes, key",
    [
        (ModelConfig(spectrum=(-1.0,) * 12), {"u": 9}, "spectrum"),
        (TrainConfig(), {"steps_min": 6}, "steps_min"),
        (TrainConfig(examples=2, epochs=3), {"examples": 0}, "epochs"),
        (TrainConfig(eval_every=5, patience=1), {"eval_every": 0}, "patience"),
        (ShapesConfig(), {"radius_max": 0.05}, "radius_min"),
        (Switches(), {"tauu": 2}, "tauu"),
    ],
)
def test_replacing_one_of_two_related_settings_is_checked_against_the_other(config, changes, key):
    with pytest.raises(ConfigError, match=key):
        config.replace(**changes)


@pytest.mark.parametrize(
    "examples, batch, epochs, total", [(10, 1, 10, 100), (10, 4, 2, 6), (3, 8, 5, 5), (3, 8, 0, 600)]
)
def test_total_rounds_the_last_batch_of_a_pass_up(examples, batch, epochs, total):
    assert TrainConfig(examples=examples, batch=batch, epochs=epochs).total == total


def test_long_input_is_cut_and_stays_on_one_line():
    with pytest.raises(ConfigError) as refusal:
        ModelConfig(kind="feed\nback" * 1000)
    assert len(str(refusal.value)) < 200 and "\n" not in str(refusal.value)


@pytest.mark.parametrize("values", [{"self": 1}, {"width": 10**5000}], ids=["self", "huge"])
def test_parse_raises_config_error_and_nothing_else(values):
    with pytest.raises(ConfigError, match=next(iter(values))):
        ModelConfig.parse(values)


@pytest.mark.parametrize("config", [ModelConfig, Switches])
def test_an_eigenvalue_out_of_range_is_answered_with_the_range(config):
    with pytest.raises(ConfigError, match="-10 to 10"):
        config(spectrum=(11.0,))


@pytest.mark.parametrize("value", [True, "8"])
def test_numbers_are_not_taken_from_flags_or_text(value):
    with pytest.raises(ConfigError, match="width"):
        ModelConfig.parse({"width": value})
