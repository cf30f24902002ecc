"""Docstrings begin as the manuals do, with a verb or the thing's own noun; they and the comments name their nouns."""

import ast
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
PACKAGES = "decode", "emulate", "mmio", "pagetrap"
MODULES = sorted(path.relative_to(TOP) for top in PACKAGES for path in (TOP / top).rglob("*.py"))

# A reader must turn such a sentence around to learn what the thing is.
FORBIDDEN = frozenset(
    ["Be", "Have", "How", "Let", "Tell", "What", "Where", "Whether", "Which", "Who", "Whoever", "Why"]
)

TREES = "benchmarks", "decode", "emulate", "examples", "mmio", "pagetrap", "tests"
PAGES = {"architecture.md", "correctness.md", "embedding.md", "guarantees.md", "in-process-engine.md"}  # about the code

PRONOUNS = re.compile(r"\b(anybody|everybody|nobody|ours|somebody|theirs|whoever)\b", re.IGNORECASE)


def openings(module: Path) -> dict[str, str]:
    """Return the first word of each docstring of a module, by where it stands."""
    found: dict[str, str] = {}
    for node in ast.walk(ast.parse((TOP / module).read_text())):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                found[f"{getattr(node, 'name', 'module')}: {text.splitlines()[0]}"] = text.split()[0].strip(",.:;")
    return found


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_a_docstring_opens_with_a_verb_or_a_noun(module: Path) -> None:
    """No docstring begins with What, Where, Let, Tell or a similar word."""
    assert [text for text, word in openings(module).items() if word in FORBIDDEN] == []


def docstrings(path: Path) -> Iterator[str]:
    """Yield the docstrings of a file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield ast.get_docstring(node) or ""


def comments(path: Path) -> Iterator[str]:
    """Yield the comments of a file, line by line."""
    with path.open("rb") as file:
        yield from (token.string for token in tokenize.tokenize(file.readline) if token.type == tokenize.COMMENT)


@pytest.mark.parametrize("tree", TREES)
def test_docstrings_and_comments_name_their_nouns(tree: str) -> None:
    """None has one of `PRONOUNS`, where a process, a caller or a reader is meant."""
    files = sorted((TOP / tree).rglob("*.py"))
    texts = [(path.name, text) for path in files for kind in (docstrings, comments) for text in kind(path)]
    assert [(name, text) for name, text in texts if PRONOUNS.search(text)] == []


def test_comments_are_told_from_strings(tmp_path: Path) -> None:
    """A comment is found on a line of its own and at the end of one, and a string that looks like one is not."""
    path = tmp_path / "module.py"
    path.write_text('x = "# nobody"  # at the end\n\n# alone\ny = 1\n')
    assert list(comments(path)) == ["# at the end", "# alone"]
    assert PRONOUNS.search("# which nobody can hold back")


def test_modules_that_are_named_exist() -> None:
    """A module named in a docstring, a comment or a page of the manual is in the tree, whatever was renamed."""
    there = {path.name for top in TREES for path in (TOP / top).rglob("*.py")}
    pages = [path for path in (TOP / "docs").rglob("*.md") if path.name in PAGES]
    named = {
        f"{path.relative_to(TOP)}: {name}"
        for path in [*(TOP / module for module in MODULES), *pages]
        for name in re.findall(r"`(?:[\w/]*/)?(\w+\.py)`", path.read_text())
        if name not in there
    }
    assert named == set()


def test_docstrings_are_looked_at() -> None:
    """The rule is about some thousand docstrings, and finds a forbidden one."""
    assert sum(len(openings(module)) for module in MODULES) > 1500
    assert ast.get_docstring(ast.parse('"""What a bus answers."""')).split()[0] in FORBIDDEN  # type: ignore[union-attr]
