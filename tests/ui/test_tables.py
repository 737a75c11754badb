import csv
import io
import math

import numpy as np

from fbseg_core.experiments.records import RESULTS, read
from fbseg_core.experiments.report import flat
from pages.ui import tables
from pages.ui.tables import csv_of


def rows(columns):
    return list(csv.reader(io.StringIO(csv_of(columns), newline="")))


def test_numbers_keep_nine_digits_and_whole_ones_stay_whole():
    values = np.array([1 / 3, 2.0, 1e-12, 123456789012.0], np.float32)
    head, *body = rows({"t": range(4), "value": values})
    assert head == ["t", "value"] and [row[0] for row in body] == ["0", "1", "2", "3"]
    assert [np.float32(row[1]) for row in body] == values.tolist() and body[1][1] == "2"


def test_what_is_not_there_is_blank_and_short_columns_end_early():
    body = rows({"a": [1.5, None, float("nan")], "b": [7], "c": ["x, y", None, 'say "z"'], "d": [None] * 3})[
        1:
    ]
    assert body == [["1.5", "7", "x, y", ""], ["", "", "", ""], ["", "", 'say "z"', ""]]


def test_lines_end_as_the_format_says():
    assert csv_of({"a": [1], "b": ["é"]}) == "a,b\r\n1,é\r\n"


def test_what_a_row_lacks_is_empty_and_whole_numbers_stay_whole():
    text = tables.csv([{"a": 1, "b": 0.1}, {"b": math.nan, "c": "x, y"}, {"a": None, "b": math.inf}])
    assert text == 'a,b,c\r\n1,0.1,\r\n,,"x, y"\r\n,inf,\r\n'


def test_numbers_keep_all_their_digits_unless_fewer_are_asked_for():
    value = 0.1 + 0.2
    assert tables.csv([{"a": value, "b": 123456}]) == f"a,b\r\n{value!r},123456\r\n"
    assert tables.csv([{"a": value, "b": 123456}], digits=3) == "a,b\r\n0.3,123456\r\n"


def test_no_rows_give_no_more_than_a_line():
    assert tables.csv([]).strip() == ""


def test_a_shipped_table_reads_back_as_it_was():
    rows = flat(read(RESULTS / "settling-full.jsonl")[1])
    found = list(csv.DictReader(io.StringIO(tables.csv(rows), newline="")))
    told = [{key: "" if row.get(key) is None else str(row[key]) for key in found[0]} for row in rows]
    assert found == told and "made.note" in found[0]
