"""A confusion matrix as HTML: shares of each row, whole names, and nothing of a name taken as markup."""

import re

import numpy as np

from fbseg_core.config import DigitsConfig, FolderConfig
from pages.ui import confusion


def test_cells_are_shares_of_the_true_class_and_say_their_pixels():
    counts = np.zeros((11, 11), int)
    counts[0, :2], counts[1, 1] = (999, 1), 7
    text = confusion.table(DigitsConfig(), counts, "of two & more")
    cells = re.findall(r"<td title='([^']*)'[^>]*>([^<]*)</td>", text)
    assert len(cells) == 121 and "of two &amp; more" in text
    assert cells[:2] == [
        ("truth background, answer background: 999 px", "100"), ("truth background, answer 0: 1 px", "&lt;1")
    ]  # fmt: skip
    assert cells[11 + 1][1] == "100" and {shown for _, shown in cells[22:]} == {"–"}
    assert "back…" in text and text.count("title='background'") == 2


def test_a_name_is_shown_as_the_characters_it_is():
    task = FolderConfig(classes=("ground", "<b>'x", "c"))
    text = confusion.table(task, np.ones((3, 3), int), "")
    assert "<b>" not in text and "&lt;b&gt;&#x27;x" in text
