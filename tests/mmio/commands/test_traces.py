"""`pagetrap show`, `convert` and `diff`, called as functions."""

import json
import re
from pathlib import Path

import pytest
from attrs import evolve

from decode import WRITE
from mmio import open_trace, save
from mmio.commands.main import main
from mmio.records.events import Record
from tests.mmio.sample_traces import POLL, access
from tests.native import run_python

POLLED: list[Record] = [access(0, direction=WRITE, value=1), *(access(n) for n in range(1, 10))]
Output = pytest.CaptureFixture[str]


@pytest.fixture
def trace(tmp_path: Path) -> str:
    """A trace of a write and nine polls."""
    path = tmp_path / "run.jsonl"
    save(POLLED, path)
    return str(path)


def test_show_sums_up(trace: str, capsys: Output) -> None:
    """`show` prints a summary, then a timeline."""
    assert main(["show", trace]) == 0
    summary, timeline = capsys.readouterr().out.split("\n\n")
    assert summary.splitlines()[1].split()[:4] == ["timer.STATUS", "9", "1", "4"]
    assert "█" in timeline


def test_show_table_prints_every_access(trace: str, capsys: Output) -> None:
    """`--table` prints every access, `--fold` a poll loop as one row."""
    assert main(["show", trace, "--table"]) == 0
    assert capsys.readouterr().out.count("timer.STATUS") == 10
    assert main(["show", trace, "--table", "--fold"]) == 0
    out = capsys.readouterr().out
    assert out.count("timer.STATUS") == 2
    assert "9 times" in out


def test_show_with_a_picture_option_writes_only_the_picture(trace: str, tmp_path: Path, capsys: Output) -> None:
    """`--timeline` and `--heatmap` write pictures and say where, and nothing else."""
    pictures = [tmp_path / "time.png", tmp_path / "heat.svg"]
    assert main(["show", trace, "--timeline", str(pictures[0]), "--heatmap", str(pictures[1])]) == 0
    assert pictures[0].read_bytes().startswith(b"\x89PNG")
    assert pictures[1].read_bytes().startswith(b"<?xml")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "".join(f"pagetrap: drawn to {picture}\n" for picture in pictures)


def test_show_with_a_selection_leaves_out_the_others(tmp_path: Path, capsys: Output) -> None:
    """The options that choose accesses leave out the others; if none is left, the error lists the regions there are."""
    path = str(tmp_path / "run.jsonl")
    save([access(0), access(1, region="nic"), access(2, region="nic", direction=WRITE)], path)
    assert main(["show", path, "--only", "nic", "--writes", "--table"]) == 0
    table = capsys.readouterr().out
    assert "timer" not in table
    assert len(table.splitlines()) == 2
    assert main(["show", path, "--only", "gpu"]) == 1
    assert capsys.readouterr().err == (
        f"pagetrap: {path}: no access matches the selection; the trace has accesses to nic, timer\n"
    )
    assert main(["show", path, "--heatmap", str(tmp_path / "heat.png")]) == 1
    assert "a heat map is of one region, got nic, timer" in capsys.readouterr().err


def located(path: Path) -> str:
    """Write a trace that says where one of its two instructions is."""
    save([POLL, access(0), access(1, ip=0x5000)], path)
    return str(path)


def test_show_names_code(tmp_path: Path, capsys: Output) -> None:
    """Instructions have the names the file knows, and can be chosen by them."""
    path = located(tmp_path / "run.jsonl")
    assert main(["show", path]) == 0
    assert "0x5000 (1), poll+0x4 (driver.so) driver.c:42 (1)" in capsys.readouterr().out
    assert main(["show", path, "--table", "--ip", "driver.so"]) == 0
    (_, line) = capsys.readouterr().out.splitlines()
    assert line.endswith("poll+0x4 (driver.so) driver.c:42")


def test_code_without_names(trace: str, capsys: Output) -> None:
    """Choosing code by name from a file that knows no names is an error that says so."""
    assert main(["show", trace, "--ip", "driver.so"]) == 1
    assert "cannot tell which code is driver.so" in capsys.readouterr().err


def test_convert_with_a_selection_writes_what_was_chosen(tmp_path: Path, capsys: Output) -> None:
    """What `convert` writes can be chosen, also by code; if that is nothing, it says so."""
    path, out = located(tmp_path / "run.jsonl"), tmp_path / "some.jsonl"
    assert main(["convert", path, str(out), "--ip", "poll"]) == 0
    assert [a.sequence for a in open_trace(out)] == [0]
    assert main(["convert", path, str(out), "--writes"]) == 1
    assert "no access matches the selection; the trace has accesses to timer" in capsys.readouterr().err


def test_diff_with_a_selection_ignores_the_others(tmp_path: Path) -> None:
    """Traces that differ in what was not asked for are the same."""
    mine, other = str(tmp_path / "a.jsonl"), str(tmp_path / "b.jsonl")
    save([access(0), access(1, direction=WRITE)], mine)
    save([access(0, value=7), access(1, direction=WRITE)], other)
    assert main(["diff", mine, other]) == 1
    assert main(["diff", mine, other, "--writes"]) == 0


def test_convert_writes_the_same_accesses(trace: str, tmp_path: Path) -> None:
    """`convert` writes the same accesses in the format of the suffix, or in one that is named."""
    assert main(["convert", trace, str(tmp_path / "run.txt")]) == 0
    assert [a.value for a in open_trace(tmp_path / "run.txt")] == [1, *[3] * 9]
    assert main(["convert", trace, str(tmp_path / "run.trace"), "--format", "perfetto"]) == 0
    assert isinstance(json.loads((tmp_path / "run.trace").read_text()), list)


def test_convert_onto_itself(trace: str, capsys: Output) -> None:
    """A trace is not overwritten while it is read."""
    before = Path(trace).read_bytes()
    assert main(["convert", trace, trace]) == 1
    assert "would be overwritten while it is read" in capsys.readouterr().err
    assert Path(trace).read_bytes() == before


def test_convert_to_nothing_known(trace: str, tmp_path: Path, capsys: Output) -> None:
    """A suffix of no format is an error that lists the formats."""
    assert main(["convert", trace, str(tmp_path / "run.doc")]) == 1
    assert "no trace format has this suffix; expected one of .jsonl (jsonlines)" in capsys.readouterr().err


def test_diff_ends_with_0_1_or_2(trace: str, tmp_path: Path, capsys: Output) -> None:
    """`diff` ends with 0 for the same, 1 for a difference, which it prints, and 2 for trouble."""
    other = str(tmp_path / "other.jsonl")
    save(POLLED[1:], other)
    assert main(["diff", trace, trace]) == 0
    assert capsys.readouterr().out == "10 accesses equal, 0 only in mine (-), 0 only in other (+)\n"
    assert main(["diff", trace, other]) == 1
    assert "9 accesses equal, 1 only in mine (-), 0 only in other (+)\n" in capsys.readouterr().out
    assert main(["diff", trace, str(tmp_path / "none.jsonl")]) == 2


@pytest.mark.parametrize(("command", "status"), [("show", 1), ("convert", 1), ("diff", 2)])
@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (None, ": No such file or directory"),
        (b"", ":1: the file is empty"),
        (b"\x7fELF\x02", r":1: not a jsonlines, mmiotrace or parquet trace: it begins with b'\x7fELF\x02'"),
        (b"VERSION 20070824\nR 4 1.0 1\n", ":2: "),
    ],
    ids=["no file", "empty", "binary", "bad line"],
)
def test_a_bad_file_is_one_line_and_no_traceback(
    command: str, status: int, content: bytes | None, complaint: str, tmp_path: Path, capsys: Output
) -> None:
    """A file that is not there, or is no trace, is one line that names the file and the line, and no traceback."""
    path = tmp_path / "bad"
    if content is not None:
        path.write_bytes(content)
    second = [] if command == "show" else [str(tmp_path / "other.jsonl")]
    assert main([command, str(path), *second]) == status
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"pagetrap: {path}{complaint}")


def test_skip_passes_over_bad_lines(tmp_path: Path, capsys: Output) -> None:
    """With `--skip` the rest of a file with bad lines is shown, and each of them is told."""
    path = tmp_path / "bad.txt"
    path.write_text("VERSION 20070824\nR 4 1.000000 0 0x10 0x3 0x0 0\nhello\nR 4 1.100000 0 0x10 0x3 0x0 0\n")
    assert main(["show", str(path), "--table", "--skip"]) == 0
    captured = capsys.readouterr()
    assert captured.err.startswith(f"pagetrap: {path}:3: ")
    assert len(captured.out.splitlines()) == 3


def test_diff_names_code(tmp_path: Path, capsys: Output) -> None:
    """Instructions have the names that their own file knows, whatever the other one calls the same address."""
    mine, other = located(tmp_path / "a.jsonl"), str(tmp_path / "b.jsonl")
    save([evolve(POLL, symbol="", line=""), access(0), access(1, value=9)], other)
    assert main(["diff", mine, other]) == 1
    _, _, *lines = capsys.readouterr().out.splitlines()
    ips = ["poll+0x4 (driver.so) driver.c:42", "0x5000", "driver.so+0x1000"]
    assert [line.partition("0x0000000")[2][1:].strip() for line in lines] == ips


def test_diff_with_fold_ignores_how_long_was_polled(tmp_path: Path) -> None:
    """`--fold` does not count how long was polled."""
    mine, other = str(tmp_path / "a.jsonl"), str(tmp_path / "b.jsonl")
    save([access(n) for n in range(5)], mine)
    save([access(n) for n in range(50)], other)
    assert main(["diff", mine, other]) == 1
    assert main(["diff", "--fold", mine, other]) == 0


@pytest.mark.parametrize("arguments", [["show"], ["show", "--table"], ["show", "--fold"], ["diff"]], ids=" ".join)
def test_looking_at_a_trace_loads_no_engine(arguments: list[str], trace: str) -> None:
    """Neither the engines nor the emulator nor what draws pictures is loaded: that takes longer than a small trace."""
    unneeded = ("emulate", "importlib.metadata", "matplotlib", "mmio.hosted", "mmio.ptrace", "pyarrow", "rich")
    script = f"""
import sys
from mmio.commands.main import main
status = main(sys.argv[1:])
print([name for name in {unneeded} if name in sys.modules], status)
"""
    name, *options = arguments
    traces = [trace, trace] if name == "diff" else [trace]
    done = run_python(script, name, *traces, *options)
    assert done.stdout.splitlines()[-1] == "[] 0", done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("show", ""),
        ("show", "TRACE", "--timeline", ""),
        ("show", "TRACE", "--heatmap", ""),
        ("convert", "", "out.jsonl"),
        ("convert", "TRACE", ""),
        ("diff", "", "TRACE"),
        ("diff", "TRACE", ""),
    ],
    ids=" ".join,
)
def test_an_empty_path_is_refused(words: tuple[str, ...], trace: str, capsys: Output) -> None:
    """An unset variable of a script is no file, whichever argument it was meant for; the message names that."""
    with pytest.raises(SystemExit) as ended:
        main([trace if word == "TRACE" else word for word in words])
    assert ended.value.code == 2
    name = words[2] if len(words) == 4 else r"(TRACE|IN|OUT|A|B)"
    assert re.search(rf"argument {name}: expected the path of a file, got ''", capsys.readouterr().err)


@pytest.mark.parametrize("option", ["--timeline", "--heatmap"])
@pytest.mark.parametrize("file", ["bin", "/dev/full", "/dev/stdout", "run.jsonl", "map.gz", "map.", ".png", "a.jpg"])
def test_a_picture_needs_the_suffix_of_one(
    option: str, file: str, trace: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    """No other file than the one that was named is written, and the message names the option."""
    monkeypatch.chdir(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(SystemExit) as ended:
        main(["show", trace, option, file])
    assert ended.value.code == 2
    captured = capsys.readouterr()
    assert f"argument {option}: {file}: expected a picture, a file with one of the suffixes .png" in captured.err
    assert "drawn" not in captured.err
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("option", ["--timeline", "--heatmap"])
def test_a_picture_that_cannot_be_written_is_not_drawn(option: str, trace: str, tmp_path: Path, capsys: Output) -> None:
    """A full disk is told, and the exit status is that of an error."""
    full = tmp_path / "full.png"
    full.symlink_to("/dev/full")
    assert main(["show", trace, option, str(full)]) == 1
    captured = capsys.readouterr()
    assert f"{full}: No space left on device" in captured.err
    assert "drawn" not in captured.err
