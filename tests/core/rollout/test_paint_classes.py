"""Which classes a paint may be taken from, as links and files write it."""

import json

import pytest

from fbseg_core import ConfigError
from fbseg_core.rollout.interventions import Paint, parse_intervention


@pytest.mark.parametrize("like", ["shape", "background", "cued region", 0, 31])
def test_a_paint_survives_being_written_and_read(like):
    item = Paint(t=2, target="h", like=like, mask="AA")
    again = parse_intervention(json.loads(json.dumps(item.changed() | {"kind": "paint"})))
    assert again == item and type(again.like) is type(like)


def test_what_was_written_before_there_were_classes_reads_as_it_did():
    assert parse_intervention({"kind": "paint", "t": 3}).like == "shape"
    old = {"kind": "paint", "t": 4, "target": "h", "like": "background", "mask": "AA"}
    assert parse_intervention(old) == Paint(t=4, target="h", like="background", mask="AA")
    assert Paint(t=4).changed() == {"t": 4}  # so that links stay as short


@pytest.mark.parametrize("like", ["", "x" * 61, -1, 1.5, True, None, ["shape"]], ids=repr)
def test_what_is_no_class_is_refused_in_a_sentence(like):
    with pytest.raises(ConfigError, match=r"like.*by its name or number"):
        parse_intervention({"kind": "paint", "like": like})
