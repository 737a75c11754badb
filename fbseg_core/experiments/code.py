"""Which code a measurement runs, as one digest: two rows of equal digests were made by the same code.

The code is read, not run. From `measure` on, every definition that another one names is followed through the
core, and through the package of `measure` itself: functions and classes whole, constants, and what a module
does when it is imported. Where a definition stands, comments, docstrings and formatting do not count. Nor do
charts and verdicts: no measurement names them. A checkpoint that the cells load counts by its own digest.

Libraries are passed over: their versions stand beside the digest. So are names that are made up at run time,
but for "module:name" as models/kinds.py has it. The tests hold what really ran against what was found here.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
import json
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from fbseg_core.checkpoint import read_card

CORE = __name__.partition(".")[0]
REFERENCE = re.compile(r"([A-Za-z_][\w.]*):([A-Za-z_]\w*)")
ALL, LOOSE = "*", "<import>"  # in place of a name: all of a module; what it does when it is imported


@functools.cache
def code_of(measure: Callable[..., Any], checkpoints: tuple[str, ...] = ()) -> str:
    """16 hex digits of the code that `measure` runs, and of the checkpoints by name that it loads.

    "" where its text cannot be found, as in an interactive session. Read once in a process: a file that is
    edited later is not what runs. Raises CheckpointError.
    """
    found = reached(measure.__module__, measure.__qualname__.partition(".")[0])
    if not any(found.values()):
        return ""
    texts = {one.text for statements in found.values() for one in statements}
    texts |= {read_card(name).digest for name in checkpoints}
    return hashlib.sha256("\n".join(sorted(texts)).encode()).hexdigest()[:16]


class Statement(NamedTuple):
    """A statement at the top of a module: what counts of it, in a fraction of its syntax tree.

    line: where it begins, decorators included. text: the tree as JSON. names: those in it. references: the
    "module:name" that its texts are, as pairs.
    """

    line: int
    text: str
    names: tuple[str, ...]
    references: tuple[tuple[str, str], ...]


def reached(module: str, name: str) -> dict[tuple[str, str], list[Statement]]:
    """The statements that define a name of a module and all that they name in turn, by module and name."""
    roots = {CORE, module.partition(".")[0]}
    found: dict[tuple[str, str], list[Statement]] = {}
    todo = [(module, name)]
    while todo:
        at = todo.pop()
        text = _read(at[0]) if at[0].partition(".")[0] in roots and at not in found else None
        if text is None:
            continue
        found[at] = text.loose if at[1] == LOOSE else text.defined.get(at[1], [])
        todo.append((at[0], LOOSE))
        todo += text.imported.get(at[1], ())
        if at[1] == ALL:
            todo += ((at[0], each) for each in text.defined)
        elif at[1] not in text.defined and at[1] not in text.imported:
            todo.append((f"{at[0]}.{at[1]}", ALL))  # a module of a package
        for statement in found[at]:
            named = (each for each in statement.names if each in text.defined or each in text.imported)
            todo += ((at[0], each) for each in named)
            todo += statement.references
    return found


@dataclass(frozen=True)
class _Text:
    """A module by what it defines and what it imports, under the names that it uses for them."""

    defined: dict[str, list[Statement]] = field(default_factory=dict)
    imported: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    loose: list[Statement] = field(default_factory=list)


@functools.cache
def _read(module: str) -> _Text | None:
    """None where there is no such module, or none that is written in Python."""
    try:
        found = importlib.util.find_spec(module)
    except (ImportError, ValueError):
        return None
    if found is None or not (found.origin or "").endswith(".py"):
        return None
    tree, text = ast.parse(Path(found.origin).read_bytes()), _Text()
    for statement in tree.body:
        names = _defines(statement)
        if not names and (isinstance(statement, ast.Import | ast.ImportFrom) or _is_text(statement)):
            continue
        told = _told(statement)
        for name in names:
            text.defined.setdefault(name, []).append(told)
        if not names:
            text.loose.append(told)
    package = module if found.submodule_search_locations else module.rpartition(".")[0]
    for node in ast.walk(tree):  # in functions, too
        if isinstance(node, ast.Import):
            for one in node.names:
                name = one.asname or one.name.partition(".")[0]
                text.imported.setdefault(name, []).append((one.name, ALL))
        elif isinstance(node, ast.ImportFrom):
            base = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            for one in node.names:
                text.imported.setdefault(one.asname or one.name, []).append((base, one.name))
    return text


def _defines(statement: ast.stmt) -> list[str]:
    """The names that a statement at the top of a module gives a meaning to."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [statement.name]
    if isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign):
        targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
        nodes = [node for target in targets for node in ast.walk(target)]
        return [node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
    return []


def _told(statement: ast.stmt) -> Statement:
    names: dict[str, None] = {}
    references = []
    for node in ast.walk(statement):
        if isinstance(node, ast.Name):
            names[sys.intern(node.id)] = None
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            named = REFERENCE.fullmatch(node.value)
            references += [(named[1], named[2])] if named else []
    line = min([statement.lineno, *(one.lineno for one in getattr(statement, "decorator_list", ()))])
    return Statement(line, json.dumps(_plain(statement)), tuple(names), tuple(references))


def _is_text(node: object) -> bool:
    """A docstring, or another text that nothing reads."""
    found = node.value if isinstance(node, ast.Expr) else None
    return isinstance(found, ast.Constant) and isinstance(found.value, str)


def _plain(node: object) -> Any:
    """A syntax tree as lists and text, without what is empty: newer Pythons have more empty fields."""
    if isinstance(node, ast.AST):
        fields = ((name, _plain(value)) for name, value in ast.iter_fields(node))
        return [type(node).__name__, *(pair for pair in fields if pair[1] not in (None, []))]
    if isinstance(node, list):
        return [_plain(each) for each in node if not _is_text(each)]
    return None if node is None else repr(node)
