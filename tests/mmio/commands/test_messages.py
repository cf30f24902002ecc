"""Whatever a name holds, the terminal is only shown printable text."""

import io
import unicodedata
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from mmio import save
from mmio.commands.main import main
from mmio.commands.messages import complain
from mmio.pictures.columns import Column, aligned, html
from mmio.pictures.live import Live
from mmio.records.printable import printable
from tests.mmio.commands.process import pagetrap
from tests.mmio.ptrace.programs import device_file, program
from tests.mmio.sample_traces import POLL, access

Output = pytest.CaptureFixture[str]

# ESC [ 2 J clears a screen, ESC ] 0 sets its title, BS and CR overwrite, 9B is the C1 form of ESC [, RLO reorders.
EVIL = "\x1b[2J\x1b]0;title\x07\x08\r\x9b31m\u202eevil\ud800\x7f"


def is_safe(text: str) -> bool:
    """Whether a terminal finds nothing in it to obey."""
    return all(c == "\n" or (c.isprintable() and unicodedata.category(c) not in ("Cc", "Cf", "Cs")) for c in text)


@given(st.text())
def test_printable_text_stays_and_nothing_else_does(text: str) -> None:
    """What comes out is printable, is what went in where that was, and says which character it was where not."""
    shown = printable(text)
    assert shown.isprintable()
    assert is_safe(shown)
    if text.isprintable():
        assert shown == text
    assert printable(shown) == shown
    assert printable(text, lines=True).count("\n") == text.count("\n")


def test_a_control_character_is_an_escape() -> None:
    """The reader sees which character it was."""
    assert printable("a\x1bb\x9b\u202e\ud800") == r"a\x1bb\x9b\u202e\ud800"


@given(st.lists(st.text(), min_size=2, max_size=2))
def test_tables_are_safe(cells: list[str]) -> None:
    """A cell is one line of printable text, in a terminal and in a notebook."""
    columns = [Column("a"), Column("b", right=True)]
    assert aligned(columns, [cells]).count("\n") <= 1
    assert is_safe(aligned(columns, [cells]))
    assert is_safe(html(columns, [cells], cells[0]))


@given(st.text())
def test_accesses_are_safe(name: str) -> None:
    """An access on one line and as a live line holds nothing that a terminal obeys, whatever its names."""
    made = access(region=name, register=name)
    stream = io.StringIO()
    Live(stream, lambda ip: name).write(made)
    assert is_safe(str(made))
    assert is_safe(stream.getvalue())
    assert stream.getvalue().count("\n") == 1


@given(st.text())
def test_messages_are_safe(text: str) -> None:
    """A message keeps its lines and nothing else that is not printable."""
    stream = io.StringIO()
    complain(text, stream)
    assert is_safe(stream.getvalue())


@pytest.fixture
def trace(tmp_path: Path) -> str:
    """A trace file whose every name is evil."""
    name = EVIL.replace("\ud800", "")
    located = evolve(POLL, module=name, symbol=name, line=name)
    made: list[Any] = [located, *(access(n, region=name, register=name, value=n) for n in range(9))]
    save(made, tmp_path / "evil.jsonl")
    return str(tmp_path / "evil.jsonl")


@pytest.mark.parametrize("options", [[], ["--table"], ["--table", "--fold"]])
def test_show_is_safe(options: list[str], trace: str, capsys: Output) -> None:
    """`pagetrap show` in each of its forms."""
    assert main(["show", trace, *options]) == 0
    captured = capsys.readouterr()
    assert "evil" in captured.out
    assert is_safe(captured.out)


def test_diff_is_safe(trace: str, tmp_path: Path, capsys: Output) -> None:
    """`pagetrap diff` names places and code of both files."""
    save([access(0)], tmp_path / "other.jsonl")
    assert main(["diff", trace, str(tmp_path / "other.jsonl")]) == 1
    captured = capsys.readouterr()
    assert "evil" in captured.out
    assert is_safe(captured.out)


@pytest.mark.parametrize(
    "arguments",
    [
        ["show", EVIL],
        ["convert", EVIL, "out.jsonl"],
        ["diff", EVIL, EVIL],
        ["run", "--device", f"{EVIL}.py:Card@/dev/x", "--", "true"],
        ["trace", "--map", "*/x", "--", EVIL],
        ["trace", f"--{EVIL}"],
        ["decode", EVIL],
        ["show", "--only", EVIL, "missing.jsonl"],
    ],
    ids=lambda arguments: arguments[0],
)
def test_errors_are_safe(arguments: list[str], capsys: Output, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error about a name shows it harmless."""
    monkeypatch.chdir(tmp_path)
    with suppress(SystemExit):  # a command line that is wrong
        assert main(arguments) != 0
    captured = capsys.readouterr()
    assert captured.err
    assert is_safe(captured.err)
    assert is_safe(captured.out)


@pytest.mark.parametrize("engine", ["ptrace", "inprocess"])
def test_a_traced_program_with_evil_names(engine: str, tmp_path: Path) -> None:
    """The file that a program maps has an evil name: live lines, the summary and messages show it harmless."""
    name = "dev\x1b[2J\x9b\x07\r"
    device_file(tmp_path).rename(tmp_path / name)
    path = program("int main(int c, char **v) { volatile uint32_t *p = map(v[1], PROT_READ); return p[4]; }")
    done = pagetrap(tmp_path, "trace", f"--engine={engine}", "--live", "--map", "*/dev*", "--", path, name)
    assert done.returncode == 0, done.stderr
    assert r"dev\x1b[2J" in done.stderr
    assert is_safe(done.stderr)
