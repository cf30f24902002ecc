"""Spelling and wording of pages, docstrings, comments and messages: codespell, and a list of words to avoid.

Each rule has the reason and the better word. A failure shows file, line, the words found and the replacement.
"""

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import pytest
from attrs import frozen

from tests.documents import TOP

TREES: Final = ("decode", "emulate", "mmio", "pagetrap", "tests", "benchmarks", "examples")
MESSAGES: Final = ("decode", "emulate", "mmio", "pagetrap")  # where each string may be shown to a user
GENERATED: Final = {"mistakes.md", "verification.md", "unicorn.md", "qemu.md"}  # their words are in Python sources
KEPT: Final = {
    "mmio/traces/golden.py",
    "mmio/ptrace/asm_loop.py",
}  # the header of existing files; labels of machine code


@frozen
class Rule:
    """Words to avoid, with the reason and the replacement."""

    words: str
    reason: str
    better: str

    @property
    def phrases(self) -> list[str]:
        """The words, each phrase by itself."""
        return self.words.split("|")

    @property
    def pattern(self) -> re.Pattern[str]:
        """The words as a pattern; a line may end between two of them."""
        return re.compile(rf"\b(?:{self.words})\b".replace(" ", r"\s+(?:#\s*)?"), re.IGNORECASE)


RULES: Final = (
    Rule("somebody|anybody|everybody|whoever|ours", "a pronoun in place of the noun", "process, caller, user …"),
    Rule("nothing but", "a double negative", "only"),
    Rule("as ever", "not a technical term", "as usual, unchanged"),
    Rule("told apart|tell apart|tells apart", "ambiguous", "distinguished, distinguish"),
    Rule("is told from|are told from", "ambiguous", "is distinguished from"),
    Rule("cpu at hand|fault at hand|access at hand", "vague", "this CPU, the current fault"),
    Rule("let go of|lets go of|lets go", "not the field's term", "release, detach from"),
    Rule("goes on|go on|went on", "colloquial", "continues, continue"),
    Rule("hand on|hands on|handed on", "colloquial", "pass on, passed on"),
    Rule("handed out|hands out", "colloquial", "give out, allocate"),
    Rule("and the like", "colloquial", "and others, and similar"),
    Rule("there is no more", "unclear", "the data ends, nothing follows"),
    Rule("which is which", "unclear", "say what is distinguished"),
    Rule("believes", "a program does not believe", "assumes, expects; virtualised"),
    Rule("way of an access", "not the field's term", "the path of an access"),
    Rule("only a library caller", "private words", "not available from Emulator.step"),
    Rule("completed by the cpu itself", "private words", "executed natively"),
    Rule("know nothing of|knows nothing of", "colloquial", "is independent of, does not use"),
    Rule("of its like|their like", "archaic", "others, similar"),
    Rule("mended|mends", "not a technical term", "correct, corrected, repair"),
    Rule("newcomer", "not a technical term", "user"),
    Rule("for want of", "archaic", "because … is missing"),
    Rule("of course", "an aside", "leave it out"),
)

_FENCE: Final = re.compile(r"^(```+).*?^\1", re.DOTALL | re.MULTILINE)
_CODE: Final = re.compile(r"`[^`\n]*`")
_RULES: Final = [(rule, rule.pattern) for rule in RULES]
_PHRASES: Final = [phrase for rule in RULES for phrase in rule.phrases]


def blanked(match: re.Match[str]) -> str:
    """Return as many lines as a match has, without text."""
    return "\n" * match[0].count("\n")


def prose_of_page(text: str) -> str:
    """Return a page without its code; lines keep their numbers."""
    return _CODE.sub("", _FENCE.sub(blanked, text))


def prose_of_module(text: str, *, messages: bool) -> str:
    """Return the docstrings and comments of a module, and its other strings if wanted; lines keep their numbers."""
    lines: dict[int, str] = {}
    expressions = {
        node.value.lineno
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        string = token.type == tokenize.STRING or tokenize.tok_name[token.type] == "FSTRING_MIDDLE"
        message = messages and token.start[0] == token.end[0]  # others are listings of machine code
        if token.type == tokenize.COMMENT or (string and (message or token.start[0] in expressions)):
            for number, line in enumerate(token.string.split("\n"), token.start[0]):
                lines[number] = f"{lines.get(number, '')} {line}"
    return "\n".join(lines.get(number, "") for number in range(1, text.count("\n") + 2))


def suspicious(text: str) -> bool:
    """Return whether a text has any of the words, perhaps in code: much faster than the patterns."""
    words = " ".join(text.replace("#", " ").split()).lower()
    return any(phrase in words for phrase in _PHRASES)


def findings(path: Path, prose: str) -> Iterator[str]:
    """Yield what the rules say of a text: place, words, reason, replacement."""
    for rule, pattern in _RULES:
        for match in pattern.finditer(prose):
            line = prose.count("\n", 0, match.start()) + 1
            words = " ".join(match[0].split())
            yield f"{path.relative_to(TOP)}:{line}: {words!r}: {rule.reason}; better: {rule.better}"


@cache
def pages() -> list[Path]:
    """Return every page of the repository that is written by hand."""
    found = [*TOP.glob("*.md"), *(TOP / "docs").rglob("*.md"), *(TOP / "examples").rglob("*.md")]
    return sorted(path for path in found if path.name not in GENERATED and "build" not in path.parts)


def modules(tree: str) -> list[Path]:
    """Return the modules of a tree. This one is left out, which names the words."""
    return sorted(
        path
        for path in (TOP / tree).rglob("*.py")
        if "build" not in path.parts and path.relative_to(TOP).as_posix() not in KEPT and path != Path(__file__)
    )


def test_pages_use_plain_words() -> None:
    """No page has words of `RULES` outside of code."""
    texts = ((path, path.read_text()) for path in pages())
    found = [line for path, text in texts if suspicious(text) for line in findings(path, prose_of_page(text))]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("tree", TREES)
def test_docstrings_comments_and_messages_use_plain_words(tree: str) -> None:
    """No docstring, comment or message has words of `RULES`."""
    found: list[str] = []
    for path in modules(tree):
        text = path.read_text()
        if suspicious(text):  # reading tokens takes longer
            found += findings(path, prose_of_module(text, messages=tree in MESSAGES))
    assert not found, "\n".join(found)


def test_spelling() -> None:
    """codespell finds no misspelt word; pyproject.toml has the words that it may not know."""
    done = subprocess.run(
        [sys.executable, "-m", "codespell_lib", *TREES, "docs", *(path.name for path in TOP.glob("*.md"))],
        cwd=TOP,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)


def test_a_finding_has_place_reason_and_replacement() -> None:
    """Words are found across the end of a line; code in a page, and code in a module, are passed over."""
    page = "A `nothing but` code.\n\n```\nas ever\n```\n\nIt has nothing\nbut registers.\n"
    assert list(findings(TOP / "page.md", prose_of_page(page))) == [
        "page.md:7: 'nothing but': a double negative; better: only"
    ]
    module = '"""Works as ever."""\n\nours = "as ever"  # as\n# ever\n'
    assert [line.split(":")[1] for line in findings(TOP / "m.py", prose_of_module(module, messages=False))] == [
        "1",
        "3",
    ]
    assert [line.split(":")[1] for line in findings(TOP / "m.py", prose_of_module(module, messages=True))] == [
        "1",
        "3",
        "3",
    ]


def test_a_misspelt_word_is_found(tmp_path: Path) -> None:
    """The spelling check reads the project's settings and finds a common mistake."""
    (tmp_path / "page.md").write_text("A word is recieved.\n")  # codespell:ignore
    done = subprocess.run(
        [sys.executable, "-m", "codespell_lib", str(tmp_path / "page.md")],
        cwd=TOP,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "recieved ==> received" in done.stdout  # codespell:ignore
