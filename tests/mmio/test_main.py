"""The command line, called as a function."""

import subprocess
import sys

import pytest

from mmio.__main__ import main


def test_decode_shows_operands_and_accesses(capsys: pytest.CaptureFixture[str]) -> None:
    """`decode` prints the instruction, then each operand and each access with its width and direction."""
    assert main(["decode", "8b4710"]) == 0
    instruction, *details = capsys.readouterr().out.splitlines()
    assert instruction == "mov eax,[rdi+10h]    (8b 47 10)"
    assert [line.split() for line in details] == [
        ["register", "eax", "4", "write"],
        ["memory", "[rdi+0x10]", "4", "read"],
        ["accesses", "memory", "[rdi+0x10]", "4", "read"],
    ]


def test_decode_takes_several_instructions(capsys: pytest.CaptureFixture[str]) -> None:
    """Bytes may come in pieces and hold several instructions; they are shown as they follow each other."""
    assert main(["decode", "90", "0f05 cc"]) == 0
    shown = [line for line in capsys.readouterr().out.splitlines() if not line.startswith(" ")]
    assert shown == ["nop    (90)", "syscall    (0f 05)", "int3    (cc)"]


def test_decode_takes_a_mode(capsys: pytest.CaptureFixture[str]) -> None:
    """The same bytes mean something else in 16-bit code."""
    assert main(["decode", "--bits", "16", "f3 66 6d"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("rep insd [di],dx ")
    assert "for each repetition" in out


@pytest.mark.parametrize(
    ("code", "status", "complaint"),
    [
        ("8b4", 2, "expected an even number of hexadecimal digits, got '8b4'"),
        ("xy", 2, "expected an even number of hexadecimal digits, got 'xy'"),
        ("90e6", 1, "offset 0x1: more bytes are needed"),
        ("", 1, "no bytes"),
        ("f0 8b 07", 1, "no instruction has this encoding: f0 8b 07 (64-bit code)"),
    ],
)
def test_decode_complains(code: str, status: int, complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    """What is not hexadecimal is a usage error, what is not an instruction fails; both say what came."""
    assert main(["decode", code]) == status
    captured = capsys.readouterr()
    assert captured.err.startswith("pagetrap: ")
    assert complaint in captured.err


def test_usage_errors_exit_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a command there is nothing to do: usage on standard error, status 2."""
    with pytest.raises(SystemExit) as stop:
        main([])
    assert stop.value.code == 2
    assert "usage: pagetrap" in capsys.readouterr().err


def test_module_is_the_command() -> None:
    """`python -m mmio` is `pagetrap`, and its status is the process's."""
    command = [sys.executable, "-m", "mmio", "decode", "f0 8b 07"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("pagetrap: ")


def test_reader_may_leave_early() -> None:
    """When nobody reads on (`| head`) the command ends as SIGPIPE would end it, without a word."""
    script = f"{sys.executable} -m mmio decode {'90' * 10000} | head -1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines() == ["nop    (90)", "141"]
    assert done.stderr == ""
