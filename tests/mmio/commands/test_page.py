"""`pagetrap show --html`, called as a function."""

from pathlib import Path

import pytest

from mmio import save
from mmio.commands.main import main
from tests.mmio.reports.pages import contents
from tests.mmio.sample_traces import access

Output = pytest.CaptureFixture[str]
MODEL = """
from mmio import Device, bit, register

class Timer(Device):
    ctrl = register(0x00)
    status = register(0x04, fields=[bit("EN", 0), bit("UP", 1)])
"""
SVD = """<device><name>CHIP</name><peripherals><peripheral><name>timer</name><baseAddress>0xfe000000</baseAddress>
<registers><register><name>SR</name><addressOffset>4</addressOffset><size>32</size>
<fields><field><name>GO</name><bitRange>[0:0]</bitRange></field></fields></register></registers></peripheral>
</peripherals></device>"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two traces that differ in an access, of a region whose registers have no names, and a model."""
    monkeypatch.chdir(tmp_path)
    save([access(n, register=None) for n in range(3)], "run.jsonl")
    save([access(n, register=None) for n in range(2)], "other.jsonl")
    Path("timer.py").write_text(MODEL)
    Path("chip.svd").write_text(SVD)
    return tmp_path


def said(*arguments: str, status: int, capsys: Output) -> str:
    """Run the command, which must end with a status and print nothing, and return what it said."""
    try:
        found = main(arguments)
    except SystemExit as end:
        found = int(end.code or 0)
    captured = capsys.readouterr()
    assert (found, captured.out) == (status, "")
    return captured.err


def test_a_page_is_written_and_named(here: Path, capsys: Output) -> None:
    """`--html` writes the page, says where, and prints nothing else."""
    assert said("show", "run.jsonl", "--html", "run.html", status=0, capsys=capsys) == "pagetrap: written to run.html\n"
    html = (here / "run.html").read_text()
    assert "<title>run.jsonl</title>" in html
    assert len(contents(html)[1]["spot"]) == 3


def test_a_page_has_the_chosen_accesses(here: Path, capsys: Output) -> None:
    """The options that choose accesses choose those of the page, and --table prints the same."""
    assert main(["show", "run.jsonl", "--html", "run.html", "--since", "1us", "--table"]) == 0
    assert capsys.readouterr().out.count("timer+0x4") == 2
    assert len(contents((here / "run.html").read_text())[1]["spot"]) == 2


@pytest.mark.parametrize("region", ["", "@timer"])
def test_a_device_names_registers_and_is_covered(here: Path, region: str, capsys: Output) -> None:
    """`--device` names registers and fields, and adds what is covered of the device."""
    said("show", "run.jsonl", "--html", "run.html", "--device", f"timer.py:Timer{region}", status=0, capsys=capsys)
    html = (here / "run.html").read_text()
    data, _ = contents(html)
    assert data["registers"] == ["STATUS"]
    assert [field[0] for field in data["layouts"][0]] == ["EN", "UP"]
    assert "<h2>Timer</h2>" in html


def test_a_chip_names_registers(here: Path, capsys: Output) -> None:
    """`--svd` names the registers of the peripherals that are in the trace."""
    said("show", "run.jsonl", "--html", "run.html", "--svd", "chip.svd", status=0, capsys=capsys)
    assert contents((here / "run.html").read_text())[0]["registers"] == ["SR"]


def test_a_page_has_the_differences_to_another_trace(here: Path, capsys: Output) -> None:
    """`--against` adds what differs; with `--fold` polling longer does not, and prints no table."""
    given = ["show", "run.jsonl", "--html", "run.html", "--against", "other.jsonl"]
    said(*given, status=0, capsys=capsys)
    found = contents((here / "run.html").read_text())[0]["differences"]
    assert found["headline"] == "2 accesses equal, 1 only in mine (-), 0 only in other (+)"
    assert found["names"] == ["run.jsonl", "other.jsonl"]
    said(*given, "--fold", status=0, capsys=capsys)
    assert contents((here / "run.html").read_text())[0]["differences"]["same"] is True


@pytest.mark.parametrize(
    ("arguments", "status", "problem"),
    [
        (["--device", "timer.py:Timer"], 2, "--device is about the page that --html PAGE writes: name one"),
        (["--svd", "chip.svd"], 2, "--svd is about the page that --html PAGE writes: name one"),
        (
            ["--against", "other.jsonl"],
            2,
            "--against is about the page that --html PAGE writes: name one; to compare on the terminal: pagetrap diff",
        ),
        (["--html", ""], 2, "argument --html: expected the path of a file, got ''"),
        (["--html", "run.jsonl"], 1, "run.jsonl: is a trace that is read for the page; name another file for --html"),
        (
            ["--html", "./other.jsonl", "--against", "other.jsonl"],
            1,
            "./other.jsonl: is a trace that is read for the page; name another file for --html",
        ),
        (
            ["--html", "none/run.html"],
            1,
            "none/run.html: No such file or directory; there is no folder none: create it first",
        ),
        (["--html", "."], 1, ".: Is a directory"),
        (["--html", "run.html", "--against", "timer.py"], 1, "timer.py:1: not a jsonlines"),
        (["--html", "run.html", "--against", "none.jsonl"], 1, "none.jsonl: No such file or directory"),
        (["--html", "run.html", "--device", "timer.py:Timer@uart"], 1, "the trace has no access to a region 'uart'"),
        (["--html", "run.html", "--device", "timer.py:Tmier"], 1, "timer.py has no class 'Tmier'; did you mean Timer?"),
        (["--html", "run.html", "--only", "uart"], 1, "run.jsonl: no access matches the selection"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    here: Path, arguments: list[str], status: int, problem: str, capsys: Output
) -> None:
    """Each mistake is a line that says what to do, and a page that was there before stays."""
    (here / "run.html").write_text("old")
    traces = {path: path.read_bytes() for path in here.glob("*.jsonl")}
    error = said("show", "run.jsonl", *arguments, status=status, capsys=capsys)
    assert problem in error.splitlines()[0]
    assert len(error.splitlines()) == (2 if status == 2 else 1)
    assert (here / "run.html").read_text() == "old"
    assert {path: path.read_bytes() for path in here.glob("*.jsonl")} == traces


def test_a_page_may_go_to_a_device(here: Path, capsys: Output) -> None:
    """What is no regular file, such as a terminal, is written directly."""
    assert said("show", "run.jsonl", "--html", "/dev/null", status=0, capsys=capsys)
