"""`pagetrap coverage` of devices."""

import json
from pathlib import Path

import pytest

from mmio import AddressSpace, Trace, save
from mmio.commands.main import main
from tests.mmio.coverage import devices
from tests.mmio.coverage.devices import Card

SVD = """<device><name>chip</name><peripherals>
<peripheral><name>FAN</name><baseAddress>0x1000</baseAddress><registers>
<register><name>CTRL</name><addressOffset>0</addressOffset><size>32</size></register>
</registers></peripheral>
<peripheral><name>PUMP</name><baseAddress>0x2000</baseAddress><registers>
<register><name>CTRL</name><addressOffset>0</addressOffset><size>32</size></register>
</registers></peripheral>
</peripherals></device>
"""
FILE = devices.__file__


def recorded(path: Path, name: str, *offsets: int) -> str:
    """A trace file of reads of a card."""
    trace = Trace()
    space = AddressSpace(trace=trace)
    space.map(0x1000, 0x100, Card(), name=name)
    for offset in offsets:
        space.read(0x1000 + offset, 4)
    save(trace, path)
    return str(path)


def test_traces_are_added_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The region is found by the class's name, or named."""
    one, two = recorded(tmp_path / "a.jsonl", "Card", 4), recorded(tmp_path / "b.jsonl", "nic", 8, 8)
    assert main(["coverage", one, two, "--device", f"{FILE}:Card"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Card: ")
    assert next(line.split()[1:4] for line in lines if "CTRL" in line) == ["CTRL", "1", "0"]
    assert next(line.split()[1:4] for line in lines if "STAT" in line) == ["STAT", "2", "0"]
    assert main(["coverage", two, "--device", f"{FILE}:Card@nic", "--report", f"json:{tmp_path}/c.json"]) == 0
    assert json.loads((tmp_path / "c.json").read_text())["devices"][0]["registers"][2]["reads"] == 2
    assert capsys.readouterr() == ("", f"pagetrap: written to {tmp_path}/c.json\n")


def test_an_svd_file_covers_its_peripherals(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Those that are in the trace."""
    (tmp_path / "chip.svd").write_text(SVD)
    trace = recorded(tmp_path / "a.jsonl", "FAN", 0)
    assert main(["coverage", trace, "--svd", str(tmp_path / "chip.svd")]) == 0
    shown = capsys.readouterr().out
    assert "FAN: " in shown
    assert "PUMP" not in shown
    other = recorded(tmp_path / "b.jsonl", "other", 0)
    assert main(["coverage", other, "--svd", str(tmp_path / "chip.svd")]) == 1
    assert "the trace has no access to a peripheral of" in capsys.readouterr().err


def test_registers_can_be_omitted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One that no device has is an error."""
    trace = recorded(tmp_path / "a.jsonl", "Card", 0)
    assert main(["coverage", trace, "--device", f"{FILE}:Card", "--omit", "FIFO", "--omit", "dma.*"]) == 0
    shown = capsys.readouterr().out
    assert shown.count("omitted") == 2
    assert main(["coverage", trace, "--device", f"{FILE}:Card", "--omit", "FOFI"]) == 1
    assert "no device has a register 'FOFI' to omit" in capsys.readouterr().err


def test_arrays_can_be_merged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A row for all elements."""
    trace = recorded(tmp_path / "a.jsonl", "Card", 0)
    assert main(["coverage", trace, "--device", f"{FILE}:Card", "--merge-arrays"]) == 0
    shown = capsys.readouterr().out
    assert "  FIFO[*]  " in shown
    assert "never read: CTRL, STAT, ERRORS, FIFO[*], dma.CTRL" in shown


def test_too_little_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With status 1."""
    trace = recorded(tmp_path / "a.jsonl", "Card", 0)
    assert main(["coverage", trace, "--device", f"{FILE}:Card", "--fail-under", "50"]) == 1
    assert "of its points are covered, less than 50 %" in capsys.readouterr().err
    assert main(["coverage", trace, "--device", f"{FILE}:Card", "--fail-under", "1"]) == 0


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["TRACE"], 2, "coverage of which device? Say --device FILE.py:CLASS or --svd FILE"),
        (["--device", f"{FILE}:Card"], 2, "the coverage of a device is that of a TRACE: give the path of one"),
        (
            ["TRACE", "--by", "form"],
            2,
            "--by, --missing and --markdown are about instruction forms: leave the TRACE out",
        ),
        (["TRACE", "--device", "Card"], 2, "expected FILE.py:CLASS or FILE.py:CLASS@REGION, got 'Card'"),
        (["TRACE", "--device", f"{FILE}:Card@"], 2, "expected FILE.py:CLASS or FILE.py:CLASS@REGION"),
        (
            ["TRACE", "--device", f"{FILE}:Card@uart"],
            1,
            "the trace has no access to a region 'uart'; it has accesses to Card",
        ),
        (["TRACE", "--device", f"{FILE}:Crad"], 1, "has no class 'Crad'; did you mean Card?"),
        (["TRACE", "--device", f"{FILE}:accesses"], 1, "accesses"),
        (["TRACE", "--device", f"{FILE}:Card", "--report", "pdf"], 2, "expected a report, one of term, html:PATH"),
        (["TRACE", "--device", f"{FILE}:Card", "--report", "html:/nowhere/x"], 1, "/nowhere/x: No such file"),
        (["TRACE", "--device", f"{FILE}:Card", "--fail-under", "many"], 2, "expected a percentage, 0..100, got 'many'"),
        (["TRACE", "--device", f"{FILE}:Card", "--fail-under", "nan"], 2, "expected a percentage, 0..100, got 'nan'"),
        (["nowhere.jsonl", "--device", f"{FILE}:Card"], 1, "nowhere.jsonl: No such file or directory; record a trace"),
    ],
)
def test_mistakes_get_one_line(
    arguments: list[str], status: int, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the exit status of its kind."""
    trace = recorded(tmp_path / "a.jsonl", "Card", 0)
    try:
        got = main(["coverage", *(trace if word == "TRACE" else word for word in arguments)])
    except SystemExit as end:
        got = int(end.code or 0)
    error = capsys.readouterr().err
    assert (got, message in error) == (status, True), error
