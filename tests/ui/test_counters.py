"""The operator's file of numbers: caches with their bounds, runs, memory, and no word of any visitor."""

import os
import re
import stat

import pytest
import torch

from fbseg_core.tasks import Content
from pages.few_shot import kept_uploads
from pages.ui import counters, once, server

OWNER = "5ec0de" * 5 + "00"


@pytest.fixture
def numbers(tmp_path, monkeypatch):
    """What the file says, by name."""
    path = tmp_path / "counters"
    monkeypatch.setenv(counters.FILE, str(path))

    def numbers():
        counters.write()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600 and os.listdir(tmp_path) == ["counters"]
        text = path.read_text()
        assert OWNER not in text
        return {name: int(value) for name, value in re.findall(r"^fbseg_(\S+) (\d+)$", text, re.M)}

    return numbers


def test_what_is_cached_and_brought_along_is_counted_in_bytes_beside_its_bound(numbers):
    server.memo().clear()
    kept_uploads.kept().clear()
    before = numbers()
    assert before['cache_bytes{shelf="rest"}'] == 0 == before["uploads"]
    server.kept("rest", ("something", OWNER), lambda: bytes(1000))
    kept_uploads.kept().keep(OWNER, "digest", Content(torch.zeros(1, 1, 8, 8), torch.zeros(1, 8, 8)))
    after = numbers()
    assert 1000 <= after['cache_bytes{shelf="rest"}'] < 1100 and after['cache_values{shelf="rest"}'] == 1
    assert after['cache_bound_bytes{shelf="rest"}'] == server.BUDGET["rest"]
    assert after["uploads"] == 1 and 0 < after["uploads_bytes"] < after["uploads_bound_bytes"]
    assert after["resident_bytes"] > 50e6 and after["up_seconds"] >= 0
    server.memo().clear()
    kept_uploads.kept().clear()


def test_what_is_kept_by_number_is_counted_beside_its_bound(numbers):
    @once.recent(2)
    def double(n):
        return 2 * n

    for n in range(5):
        double(n)
    told = f'{{of="{__name__}.{double.__qualname__}"}}'
    assert numbers()["recent_values" + told] == 2 == numbers()["recent_bound_values" + told]
    double.clear()
    assert numbers()["recent_values" + told] == 0


def test_without_a_file_named_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.delenv(counters.FILE, raising=False)
    monkeypatch.chdir(tmp_path)
    counters.write()
    assert os.listdir(tmp_path) == []
