import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tiers import forms

from fbseg_core import ConfigError
from fbseg_core.__main__ import main
from fbseg_core.experiments import EXPERIMENTS, harness
from fbseg_core.experiments.code import code_of
from fbseg_core.experiments.harness import OTHER, run
from fbseg_core.experiments.records import RESULTS, UNRECORDED, digest, path_of, read, related
from fbseg_core.experiments.rounding import fingerprint

pytestmark = pytest.mark.xdist_group("experiments")  # what one has measured, others are held against


def finish(name, folder, **options):
    for _ in run(EXPERIMENTS[name], "tiny", folder=folder, **options):
        pass
    return read(path_of(name, "tiny", folder))


def numbers(rows):
    return [(row.digest, row.result) for row in rows]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where `serial` was measured; to be read only."""
    return tmp_path_factory.mktemp("serial")


@pytest.fixture(scope="module")
def serial(folder):
    return finish("fewshot", folder, command="as told")


def test_a_grid_is_measured_whole_and_says_what_made_it(serial):
    head, rows = serial
    cells = EXPERIMENTS["fewshot"].cells("tiny")
    assert [row.settings for row in rows] == cells
    assert all(0 <= row.result["f1"] <= 1 and row.seconds > 0 for row in rows)
    made = rows[0].made
    assert made["torch"].startswith("2.") and made["rounding"] == fingerprint() and "note" not in made
    assert made["code"] == code_of(EXPERIMENTS["fewshot"].measure)
    assert head["command"] == "as told" and head["made"] == [{"cells": len(cells), **made}]


@pytest.mark.thorough
def test_two_processes_measure_the_same(serial, tmp_path):
    assert numbers(finish("fewshot", tmp_path, jobs=2)[1]) == numbers(serial[1])


@pytest.mark.slow
def test_a_dask_cluster_measures_the_same(serial, tmp_path):
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster:
        _, rows = finish("fewshot", tmp_path, backend="dask", address=cluster.scheduler_address)
    assert numbers(rows) == numbers(serial[1])


@pytest.mark.slow
def test_a_stopped_grid_goes_on_where_it_was_and_a_torn_line_is_measured_again(serial, tmp_path):
    path = path_of("fewshot", "tiny", tmp_path)
    grid = run(EXPERIMENTS["fewshot"], "tiny", folder=tmp_path)
    while next(grid)[0] < 3:
        pass
    grid.close()
    kept = len(read(path)[1])
    assert kept >= 3
    with path.open("a") as file:
        file.write('{"settings": {"protocol"')  # the power went out
    progress = list(run(EXPERIMENTS["fewshot"], "tiny", folder=tmp_path))
    assert progress[0] == (kept, len(serial[1])) and progress[-1] == (len(serial[1]),) * 2
    assert numbers(read(path)[1]) == numbers(serial[1])


def test_a_finished_grid_is_not_measured_again(serial, folder, tmp_path, monkeypatch):
    path = path_of("fewshot", "tiny", tmp_path)
    before = path_of("fewshot", "tiny", folder).read_bytes()
    path.write_bytes(before)
    monkeypatch.setattr(harness, "_cell", lambda *cell: 1 / 0)
    assert list(run(EXPERIMENTS["fewshot"], "tiny", folder=tmp_path, command="another")) == [
        (len(serial[1]),) * 2
    ]
    assert path.read_bytes() == before


def written(folder, head, rows):
    """A result file of fewshot, tiny."""
    path = path_of("fewshot", "tiny", folder)
    path.write_text("".join(json.dumps(line) + "\n" for line in (head, *rows)))
    return path


def made_by_other_code(row):
    return replace(row, result=row.result | {"f1": 7.0}, made=row.made | {"code": "0" * 16})


def test_a_row_of_other_code_is_measured_again_and_the_others_stay(serial, tmp_path):
    head, rows = serial
    mixed = [made_by_other_code(row) if i in (1, 4) else row for i, row in enumerate(rows)]
    path = written(tmp_path, head, map(vars, mixed))
    progress = list(run(EXPERIMENTS["fewshot"], "tiny", folder=tmp_path))
    assert progress[0] == (len(rows) - 2, len(rows)) and len(progress) == 3
    head, found = read(path)
    assert numbers(found) == numbers(rows)
    assert head["made"] == [{"cells": len(rows), **rows[0].made}]


@pytest.mark.slow
def test_a_row_of_other_code_stands_until_it_is_measured_and_says_so(serial, tmp_path, monkeypatch):
    head, rows = serial
    path = written(tmp_path, head, (vars(made_by_other_code(row)) for row in rows))
    grid = run(EXPERIMENTS["fewshot"], "tiny", folder=tmp_path)
    while next(grid)[0] < 1:
        pass
    with path.open("a") as file:
        file.write('{"settings"')  # torn, with a new row before it and the old ones further up
    torn = read(path)[1]
    grid.close()
    head, found = read(path)
    fresh = [row for row in found if row.result["f1"] != 7]
    assert numbers(found) == numbers(torn) and [row.digest for row in found] == [row.digest for row in rows]
    assert 1 <= len(fresh) < len(rows)
    assert all(("note" in row.made) == (row not in fresh) for row in found)
    assert [(one["cells"], one.get("note")) for one in head["made"]] == [
        (len(fresh), None), (len(rows) - len(fresh), OTHER),
    ]  # fmt: skip
    assert numbers(finish("fewshot", tmp_path)[1]) == numbers(rows)


def test_a_row_of_other_code_is_kept_with_a_note_where_that_is_asked_for(serial, tmp_path):
    head, rows = serial
    others = [made_by_other_code(row) for row in rows[:-1]]
    path = written(tmp_path, head, map(vars, others))  # and the last cell is still to be measured
    progress = list(run(EXPERIMENTS["fewshot"], "tiny", folder=tmp_path, keep=True))
    assert progress == [(len(rows) - 1, len(rows)), (len(rows), len(rows))]
    head, found = read(path)
    assert [row.result for row in found] == [row.result for row in (*others, rows[-1])]
    assert [row.made.get("note") for row in found] == [OTHER] * len(others) + [None]
    assert {one["code"]: one["cells"] for one in head["made"]} == {
        "0" * 16: len(others), rows[-1].code: 1,
    }  # fmt: skip


def test_a_file_of_before_the_code_was_recorded_keeps_its_rows_with_a_note(serial, tmp_path):
    _, rows = serial
    old = [{key: value for key, value in vars(row).items() if key != "made"} for row in rows]
    head = {"experiment": "fewshot", "profile": "tiny", "command": "old", "versions": {"torch": "1.0"}}
    path = written(tmp_path, head, old)
    before = path.read_bytes()
    assert list(run(EXPERIMENTS["fewshot"], "tiny", folder=tmp_path)) == [(len(rows),) * 2]
    assert path.read_bytes() == before  # nothing to measure, nothing to say
    assert {str(row.made) for row in read(path)[1]} == {str({"torch": "1.0", "note": UNRECORDED})}
    written(tmp_path, head, old[:-1])
    list(run(EXPERIMENTS["fewshot"], "tiny", folder=tmp_path, command="new"))
    head, found = read(path)
    assert numbers(found) == numbers(rows)
    assert [row.made.get("note") for row in found] == [UNRECORDED] * (len(rows) - 1) + [None]
    assert [(one["cells"], one["torch"]) for one in head["made"]] == [
        (len(rows) - 1, "1.0"), (1, found[-1].made["torch"]),
    ]  # fmt: skip


@pytest.mark.thorough
def test_a_worker_that_runs_other_code_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(harness, "code_of", lambda measure, checkpoints: "1" * 16)
    with pytest.raises(ConfigError, match="1111111111111111"):
        finish("fewshot", tmp_path, jobs=2)  # its processes read the code themselves
    assert not read(path_of("fewshot", "tiny", tmp_path))[1]


def test_what_others_found_is_read_from_the_folder_that_is_asked_for_and_only_if_it_is_whole(tmp_path):
    assert related(EXPERIMENTS["fewshot"], "tiny", tmp_path) == {}
    _, rows = finish("limit", tmp_path)
    assert related(EXPERIMENTS["fewshot"], "tiny", tmp_path) == {"limit": rows}
    assert related(EXPERIMENTS["fewshot"], "quick", tmp_path) == {}
    assert related(EXPERIMENTS["limit"], "tiny", tmp_path) == {}
    path = path_of("limit", "tiny", tmp_path)
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    assert related(EXPERIMENTS["fewshot"], "tiny", tmp_path) == {}


def test_no_experiment_reads_a_result():
    for name, experiment in EXPERIMENTS.items():
        assert set(experiment.needs) <= set(EXPERIMENTS) - {name}
        assert not {"read", "related", "path_of"} & vars(sys.modules[experiment.measure.__module__]).keys()


@pytest.mark.parametrize("name", [name for name, experiment in EXPERIMENTS.items() if experiment.needs])
def test_what_others_found_is_told_beside_a_verdict_and_changes_none(name):
    experiment = EXPERIMENTS[name]
    rows, others = read(path_of(name, "full"))[1], related(experiment, "full")
    assert set(others) == set(experiment.needs)
    alone, beside = experiment.conclude(rows, {}), experiment.conclude(rows, others)
    assert (beside.word, beside.cause, beside.brief) == (alone.word, alone.cause, alone.brief)
    lines = [[len(each.series) for each in experiment.panels(rows, known)] for known in ({}, others)]
    told = [finding.because + finding.details for finding in (beside, alone)]
    assert (told[0], lines[1]) != (told[1], lines[0])


def test_a_cell_is_known_by_its_settings():
    assert digest("a", {"x": 1, "y": 2}) == digest("a", {"y": 2, "x": 1})
    assert len({digest("a", {"x": 1}), digest("a", {"x": 2}), digest("b", {"x": 1})}) == 3


@pytest.mark.parametrize("name", EXPERIMENTS)
@pytest.mark.parametrize("profile", ["tiny", "quick", "full"])
def test_every_grid_has_distinct_cells_of_plain_values(name, profile):
    cells = EXPERIMENTS[name].cells(profile)
    assert json.loads(json.dumps(cells)) == cells
    assert len({digest(name, cell) for cell in cells}) == len(cells)
    if profile == "full":
        assert len({cell["seed"] for cell in cells}) >= 8


@pytest.mark.parametrize("text", ["", "nonsense\n{}\n", "[1]\n[2]\n", '{"experiment": "x"}\n{"a": 1}\n'])
def test_a_file_that_is_no_result_is_refused_in_one_sentence(text, tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"x\.jsonl"):
        read(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        read(tmp_path / "none.jsonl")


def test_the_command_line_runs_one_and_refuses_others(tmp_path, capsys):
    assert main(["experiment", "limit", "--profile", "tiny", "--folder", str(tmp_path)]) == 0
    told = capsys.readouterr().out
    assert "4 cells, all made by the code as it is now." in told
    assert "The limit: measured. An ideal observer" in told
    assert "\n- Paper sigma " in told  # the other numbers, a line each
    assert main(["experiment", "limit", "--profile", "tiny", "--folder", str(tmp_path), "--check", "1"]) == 0
    told = capsys.readouterr().out
    assert '"seed": 2' in told and "  feedback: 0." in told and " numbers lie inside. Of 2 seeds" in told
    assert main(["experiment", "nothing"]) == 2
    assert "fewshot" in capsys.readouterr().err
    assert main(["experiment", "ladder", "--address", "tcp://x", "--folder", str(tmp_path / "b")]) == 2


SHIPPED = sorted(RESULTS.glob("*.jsonl"))
LONGEST = 8.0  # seconds, as the row says, of a cell that is measured again


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_results_are_whole(path):
    head, rows = read(path)
    assert [row.settings for row in rows] == EXPERIMENTS[head["experiment"]].cells(head["profile"])


@pytest.mark.parametrize("path", forms(SHIPPED, slow=SHIPPED[::3]), ids=lambda path: path.stem)
def test_cells_of_a_shipped_result_measured_again_give_the_same_numbers(path):
    head, rows = read(path)
    experiment = EXPERIMENTS[head["experiment"]]
    if not experiment.exact:
        pytest.skip("it measures times")
    here = fingerprint()
    alike = [row for row in rows if row.made.get("rounding") == here]
    if not alike:
        pytest.skip("measured on a machine that rounds otherwise")
    cheapest, *more = sorted(alike, key=lambda row: row.seconds)[:3]
    if cheapest.seconds > LONGEST:
        pytest.skip("its cheapest cell takes too long")
    for row in (cheapest, *(row for row in more if row.seconds < 1)):
        assert experiment.measure(row.settings) == row.result


def test_the_readme_names_every_verdict_that_ships():
    text = (Path(__file__).resolve().parents[3] / "README.md").read_text()
    for name, experiment in EXPERIMENTS.items():
        path = path_of(name, "full")
        if path.exists():
            verdict = experiment.conclude(read(path)[1], related(experiment, "full")).verdict
            assert f"| {experiment.title} | {verdict} | `{name}` |" in text
