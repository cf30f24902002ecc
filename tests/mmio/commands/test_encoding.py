"""A terminal that has ASCII only gets ASCII: no command dies of a bar, and none sends what cannot be shown."""

import os
import subprocess
from pathlib import Path

import pytest

from decode import WRITE
from mmio import save
from mmio.commands.main import parser
from mmio.commands.parser import subcommands
from mmio.records.events import Mark
from mmio.records.printable import encodable
from tests.mmio.commands.process import COMMAND, pagetrap
from tests.mmio.sample_traces import START, access
from tests.native import ROOT

PLAIN = os.environ | {
    "PYTHONPATH": str(ROOT),
    "PYTHONIOENCODING": "ascii",
    "PYTHONUTF8": "0",
    "PYTHONCOERCECLOCALE": "0",
    "LC_ALL": "C",
}
DEVICE = """
class Card:
    length = 0x1000
    def read(self, offset, width):
        return 7
    def write(self, offset, width, value):
        pass
"""

COMMANDS = (
    ["show", "a.jsonl"],
    ["show", "a.jsonl", "--table"],
    ["show", "a.jsonl", "--table", "--fold"],
    ["show", "a.mmiotrace"],
    ["diff", "a.jsonl", "b.jsonl"],
    ["diff", "--fold", "a.jsonl", "b.jsonl"],
    ["convert", "a.jsonl", "c.mmiotrace"],
    ["decode", "8b4710", "f3a4"],
    ["coverage"],
    ["coverage", "--by", "form"],
    ["coverage", "--missing", "--by", "mnemonic"],
    ["coverage", "--markdown"],
    *(["completion", shell] for shell in ("bash", "zsh", "fish")),
    *([name, "--help"] for name in subcommands(parser())),
    ["--help"],
    ["show", "caf\u00e9.jsonl"],
    [
        "run",
        "--device",
        "card.py:Card@*/d\u00e9v",
        "--live",
        "--fold",
        "--",
        "head",
        "-c64",
        "d\u00e9v",
    ],
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Traces with many registers, many instructions at one of them, names that are not ASCII, and losses."""
    folder = tmp_path_factory.mktemp("traces")
    made = [
        access(
            n,
            time=700 * n,
            ip=0x401000 + n % 7,
            register=f"FIFO[{n % 40}]",
            offset=n % 40 * 4,
            address=START + n % 40 * 4,
        )
        for n in range(200)
    ]
    made += [access(n, time=200_000 + n, region="caf\u00e9", register="\u00b5C\u2026") for n in range(200, 220)]
    for name in ("a.jsonl", "a.mmiotrace", "caf\u00e9.jsonl"):
        save([*made, Mark(220, 300_000, "\u2603")], folder / name)
    save([*made[:100], access(100, direction=WRITE, value=9), *made[101:]], folder / "b.jsonl")
    (folder / "card.py").write_text(DEVICE)
    return folder


@pytest.mark.parametrize(
    ("encoding", "arguments"),
    [*(("ascii", arguments) for arguments in COMMANDS), *(("latin-1", arguments) for arguments in COMMANDS[:6])],
    ids=lambda part: part if isinstance(part, str) else " ".join(part),
)
def test_every_command_prints_what_the_terminal_has(folder: Path, arguments: list[str], encoding: str) -> None:
    """Every command ends well, and what it prints is of the terminal's encoding; in ASCII it is ASCII."""
    done = pagetrap(folder, *arguments, env=PLAIN | {"PYTHONIOENCODING": encoding}, encoding=encoding)
    assert done.returncode == (1 if arguments[0] == "diff" and "--help" not in arguments else 0), done.stderr
    assert "Traceback" not in done.stderr
    if encoding == "ascii":
        assert done.stdout.isascii()
        assert done.stderr.isascii()
    assert "\\u25" not in done.stdout + done.stderr  # bars are drawn with other characters, not escaped
    assert "\\u2026" not in done.stdout.replace("\\xb5C\\u2026", "")


LIBRARY = """
import sys, mmio
view = mmio.open_trace(sys.argv[1]).load()
other = mmio.open_trace(sys.argv[2]).load()
print(view, view.summary(), view.sparkline(), view.diff(other), view.table(fold=True), view.table(limit=3), sep="\\n")
try:
    mmio.assert_accesses(view, ["R4 FIFO[0]"])
except AssertionError as error:
    print(error)
"""


def test_the_library_prints_what_the_terminal_has(folder: Path) -> None:
    """What a script prints of a trace is drawn in ASCII as well where standard output has nothing else."""
    command = [COMMAND[0], "-c", LIBRARY, "a.jsonl", "b.jsonl"]
    done = subprocess.run(command, cwd=folder, env=PLAIN, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii()
    assert "#" in done.stdout or "@" in done.stdout


def test_plain_characters() -> None:
    """Each bar has a character of its own height, and an ellipsis is three dots; what has none is an escape."""

    class Ascii:
        encoding = "ascii"

    stream: object = Ascii()
    plain = [encodable(bar, stream) for bar in "▁▂▃▄▅▆▇█"]  # type: ignore[arg-type]
    assert len(set(plain)) == 8
    assert all(len(bar) == 1 and bar.isascii() for bar in plain)
    assert encodable("3 µs …\u2603", stream) == "3 us ...\\u2603"  # type: ignore[arg-type]
