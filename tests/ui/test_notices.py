"""What comes from outside is shown as the characters that it is."""

import ast
from pathlib import Path

import pytest

from pages.ui.notices import JOINER, plain

PAGES = Path(__file__).resolve().parents[2] / "pages"


@pytest.mark.parametrize(
    "text, shown",
    [
        ("T: a run of 60 steps of this model is too large; up to 3 steps fit.", None),
        ("ShapesConfig: radius_min = 0.7 is refused; allowed: a finite number from 0.04 to 0.5.", None),
        ("![x](//e.org/a.png)", r"!\[x\](//e.org/a.png)"),
        ("[x](javascript:alert)", rf"\[x\](javascript:{JOINER}alert)"),
        ("<b>x</b>", r"\<b\>x\</b\>"),
        ("*a* _b_ `c` $d$ ~~e~~ c_d", r"\*a\* \_b\_ \`c\` \$d\$ \~\~e\~\~ c_d"),
        ("http://e.org", f"http:{JOINER}//e.org"),
        ("HTTPS://e.org", f"HTTPS:{JOINER}//e.org"),
        ("www.e.org", f"www{JOINER}.e.org"),
        ("a@e.org", f"a@{JOINER}e.org"),
        (":red[x] :smile: :material/home:", None),
        ("trained 12:05, T: 3", "trained 12:05, T: 3"),
        (":100: x", f":{JOINER}100: x"),
        ("# head", f"{JOINER}# head"),
        ("1. one", f"{JOINER}1. one"),
        ("two\n\nlines\r\n# x", "two lines # x"),
        ("&#91;x&#93; &amp;", r"\&#91;x\&#93; \&amp;"),
        ("a\\_b", r"a\\\_b"),
    ],
)
def test_text_is_escaped_where_it_means_something(text, shown):
    if shown is not None:
        assert plain(text) == shown
    assert ":" + JOINER in plain(text) if text.startswith(":") else True
    if "refused" in text or text.startswith("T:"):
        assert plain(text) == text


def test_every_error_and_warning_that_may_quote_something_is_told_as_plain_text():
    bare = []
    for path in PAGES.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in ("error", "warning")
                and not isinstance(node.args[0], (ast.Constant, ast.JoinedStr))
                and not (isinstance(node.args[0], ast.Call) and ast.unparse(node.args[0].func) == "plain")
            ):
                bare.append(f"{path.name}: {ast.unparse(node)}")
    assert not bare
