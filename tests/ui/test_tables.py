import csv
import io

import numpy as np

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
