"""`pagetrap decode`."""

import io
import sys
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmio.commands.decoding import _bytes
from mmio.commands.main import main
from mmio.commands.parser import UsageError

Output = pytest.CaptureFixture[str]


def test_operands_and_accesses(capsys: Output) -> None:
    """The instruction, its form, mode and length, each operand and each access with width and direction, its fate."""
    assert main(["decode", "8b4710"]) == 0
    instruction, form, *details = capsys.readouterr().out.splitlines()
    assert instruction == "mov eax,[rdi+10h]    (8b 47 10)"
    assert form == "  form       MOV_R32_RM32, legacy, 64-bit code, 3 bytes"
    assert [line.split() for line in details] == [
        ["register", "eax", "4", "write"],
        ["memory", "[rdi+0x10]", "4", "read"],
        ["accesses", "memory", "[rdi+0x10]", "4", "read"],
        ["emulated", "moves.mov"],
    ]


def test_pieces_are_shown_as_instructions_in_order(capsys: Output) -> None:
    """Bytes may come in pieces and hold several instructions; they are shown as they follow each other."""
    assert main(["decode", "90", "0f05 cc"]) == 0
    shown = [line for line in capsys.readouterr().out.splitlines() if not line.startswith(" ")]
    assert shown == ["nop    (90)", "syscall    (0f 05)", "int3    (cc)"]


def test_a_mode_changes_what_the_bytes_mean(capsys: Output) -> None:
    """The same bytes mean something else in 16-bit code."""
    assert main(["decode", "--bits", "16", "f3 66 6d"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("rep insd [di],dx ")
    assert "for each repetition" in out
    assert "16-bit code" in out


@pytest.mark.parametrize(
    ("code", "fate"),
    [
        ("f0 0f c1 07", "  emulated   exchange.xadd"),
        ("f3 a4", "  emulated   strings.string_instruction"),
        ("66 0f 58 07", "  native     floating-point arithmetic"),
        ("0f 01 17", "  refused    "),
        ("0f 01 d9", "  refused    is not emulated; it touches neither memory nor a port"),
    ],
)
def test_the_last_line_says_what_becomes_of_the_instruction(code: str, fate: str, capsys: Output) -> None:
    """The last line says what becomes of the instruction: the function that does it, or why none does."""
    assert main(["decode", code]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith(fate)


@pytest.mark.parametrize(
    ("code", "status", "complaint"),
    [
        ("90e6", 1, "offset 0x1: more bytes are needed"),
        ("", 1, "expected the bytes of an instruction in hexadecimal, such as 8b4710, got none"),
        ("f0 8b 07", 1, "no instruction has this encoding: f0 8b 07 (64-bit code)"),
    ],
)
def test_what_is_no_instruction(code: str, status: int, complaint: str, capsys: Output) -> None:
    """It is told with its offset, after the instructions before it."""
    assert main(["decode", code]) == status
    assert capsys.readouterr().err.startswith(f"pagetrap: {complaint}")


@pytest.mark.parametrize("text", ["8b4710", "8b 47 10", "0x8b,0x47,0x10", r"\x8b\x47\x10", "0x8b4710", "8B 4710 # x"])
def test_bytes_of_any_common_spelling_are_read(text: str) -> None:
    """Bytes may be copied from a dump, a C array, a Python or shell string, with a remark behind them."""
    assert _bytes(text) == bytes.fromhex("8b4710")


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_any_text_is_bytes_or_refused(text: str) -> None:
    """Whatever is not hexadecimal is an error that says so."""
    with suppress(UsageError):
        _bytes(text)


def test_much_that_is_no_hexadecimal_is_quoted_in_part() -> None:
    """The complaint about a whole file stays a line."""
    with pytest.raises(UsageError, match=r"got 'x{57}\.\.\.'$"):
        _bytes("x" * 10_000)


def test_a_dash_reads_standard_input(monkeypatch: pytest.MonkeyPatch, capsys: Output) -> None:
    """`-` reads bytes from standard input, where lines have remarks; what is no text is refused."""

    def given_input(data: bytes) -> Any:
        return io.TextIOWrapper(io.BytesIO(data))

    monkeypatch.setattr(sys, "stdin", given_input(b"; a listing\n8b 47\n10  ; a load\n\n90\n"))
    assert main(["decode", "-"]) == 0
    shown = [line for line in capsys.readouterr().out.splitlines() if not line.startswith(" ")]
    assert shown == ["mov eax,[rdi+10h]    (8b 47 10)", "nop    (90)"]
    monkeypatch.setattr(sys, "stdin", given_input(b"\x7fELF\xff"))
    with pytest.raises(SystemExit, match="2"):
        main(["decode", "-"])
    assert r"got '\x7fELF\\xff'" in capsys.readouterr().err
