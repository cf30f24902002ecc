"""Numbers of any size on the command line are taken, or refused in a few words; nothing continues for ever."""

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmio import save
from mmio.commands.main import main
from tests.mmio.commands.process import pagetrap
from tests.mmio.sample_traces import access

NUMBERS = st.sampled_from([0, 1, -1, *(1 << bits for bits in (31, 32, 47, 60, 63, 64, 4000)), 10**400]) | st.integers(
    -2, 1 << 66
)
TEXTS = NUMBERS.flatmap(lambda number: st.sampled_from([str(number), f"{number:#x}"])) | st.sampled_from(
    ["1" + "0" * 5000, "0x" + "f" * 5000, "0b" + "1" * 5000, "9" * 120 + "G", "٣", "0x", "1e5", ""]
)
CHOOSING = ("--width", "--value", "--thread", "--ip", "--since", "--until")
FORMS = ("{}", "{}..{}", "{}+{}", "0+{}", "0..{}")
ENDS = (0, 1, 2)
MOST = 700  # characters of a complaint


def ended(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """Run a command that ends with one of the known statuses, and says little."""
    try:
        status = main(arguments)
    except SystemExit as error:
        status = int(str(error.code))
    assert status in ENDS
    complaint = capsys.readouterr().err
    assert len(complaint) < MOST, complaint
    assert "Traceback" not in complaint
    assert "sys.set_int_max_str_digits" not in complaint


@given(st.sampled_from(CHOOSING), st.sampled_from(FORMS), TEXTS, TEXTS)
def test_options_that_choose(
    tmp_path_factory: pytest.TempPathFactory, option: str, form: str, first: str, second: str
) -> None:
    """Filters take any number there can be in a trace, and refuse what is none."""
    path = tmp_path_factory.mktemp("show") / "run.jsonl"
    save([access(0), access(1)], path)
    with pytest.MonkeyPatch.context() as context:
        said: list[str] = []
        context.setattr(sys.stderr, "write", said.append)
        context.setattr(sys.stdout, "write", lambda text: None)
        try:
            status = main(["show", str(path), f"{option}={form.format(first, second)}"])
        except SystemExit as error:
            status = int(str(error.code))
    complaint = "".join(said)
    assert status in ENDS
    assert len(complaint) < MOST, complaint
    assert "set_int_max_str_digits" not in complaint


@pytest.mark.parametrize("number", ["0", "-1", "x", str(1 << 31), str(1 << 32 | 1), str(1 << 64), "1" + "0" * 5000])
def test_processes(number: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What is no number of a process is refused, and never taken for another one by its low bits."""
    with pytest.raises(SystemExit) as caught:
        main(["attach", f"--pid={number}", "--map", "*"])
    assert caught.value.code == 2
    complaint = capsys.readouterr().err
    assert "expected the number of a process" in complaint
    assert len(complaint) < MOST


@pytest.mark.parametrize("number", ["0", "-64", "1" + "0" * 5000])
def test_bits(number: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Code has 16, 32 or 64 bits."""
    ended(["decode", f"--bits={number}", "90"], capsys)


@pytest.mark.parametrize(
    "form", ["--range={}+0x1000", "--range=0x1000+{}", "--map=x:{}+1", "--map=x:0+{}", "--ports={}", "--ports=0+{}"]
)
@pytest.mark.parametrize("number", ["-1", str(1 << 64), hex(1 << 4000), "1" + "0" * 5000, "0b" + "1" * 5000])
def test_places(form: str, number: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A place beyond the address space, a file's end or the ports is refused before the program runs."""
    ended(["trace", form.format(number), "--", "true"], capsys)


@pytest.mark.parametrize("engine", ["ptrace", "inprocess"])
@pytest.mark.parametrize("place", [(0, 1 << 60), (0x7F00_0000_0000, 1 << 60), (1 << 60, 1 << 63), (0x10000, 1 << 63)])
def test_large_ranges(engine: str, place: tuple[int, int], tmp_path: Path) -> None:
    """A range of any length ends: nothing of the program is there, or its code, or pagetrap's own memory is."""
    start, length = place
    done = pagetrap(tmp_path, "trace", "-q", f"--engine={engine}", f"--range={start:#x}+{length:#x}", "--", "true")
    assert done.returncode in (0, 125), done.stderr
    told = ("the program used nothing that matches", "trap only mappings of data", "are not the program's alone")
    assert any(words in done.stderr for words in told)
