"""Machine code as its listing: the bytes and the text beside them say the same, wherever code is kept so."""

import ast
from pathlib import Path

import pytest

from decode import decode
from decode.operands import BranchOperand
from mmio.hosted import trampoline as hosted_trampoline
from mmio.linux import async_exception, device_call, io_ports, listing, own_table, trampoline
from mmio.linux.listing import Line
from mmio.patching import text
from mmio.ptrace import asm_loop, crash_handler

TOP = Path(__file__).parents[3]
LISTINGS = {
    "mmio/hosted/trampoline.py": listing.read(hosted_trampoline.LISTING),
    "mmio/linux/async_exception.py": listing.read(async_exception.LISTING),
    "mmio/linux/device_call.py": listing.read(device_call.LISTING),
    "mmio/linux/io_ports.py": listing.read(io_ports.LISTING),
    "mmio/linux/own_table.py": listing.read(own_table.LISTING),
    "mmio/linux/trampoline.py": trampoline.listing(),
    "mmio/patching/text.py": listing.read(text.LISTING),
    "mmio/ptrace/asm_loop.py": listing.read(asm_loop.LISTING),
    "mmio/ptrace/crash_handler.py": listing.read(crash_handler.LISTING),
}


def assert_says_its_bytes(labels: dict[str, int], lines: list[Line], *, bits: int = 64, start: int = 0) -> None:
    """Compare a listing with what its bytes decode to; jumps and calls lead to labels, labels to instructions."""
    offsets = {line.offset for line in lines}
    for line in lines:
        instruction = decode(line.code, bits)
        assert (instruction.length, instruction.format(start + line.offset)) == (len(line.code), line.text)
        for operand in instruction.operands:
            if isinstance(operand, BranchOperand):
                assert line.offset + instruction.length + operand.displacement in labels.values(), line
    assert set(labels.values()) <= offsets


@pytest.mark.parametrize("name", LISTINGS)
def test_a_listing_says_what_its_bytes_are(name: str) -> None:
    """The text beside each instruction is what its bytes decode to, and jumps lead to labels."""
    assert_says_its_bytes(*LISTINGS[name])


def test_every_module_with_a_listing_is_compared() -> None:
    """Each module of mmio that imports `mmio.linux.listing` stands above."""
    found = {
        str(path.relative_to(TOP))
        for path in (TOP / "mmio").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom)
        and (node.module == "mmio.linux.listing" or "listing" in [alias.name for alias in node.names])
    }
    assert found == set(LISTINGS)


@pytest.mark.parametrize(
    "text",
    [
        "start:\n    8b07  mov eax,[rsi]",
        "start:\n    eb00  jmp short 0000000000000002h",
        "start:\n    90  nop\nend:",
    ],
    ids=["other text", "a jump to no label", "a label of no instruction"],
)
def test_a_listing_that_says_something_else_is_found(text: str) -> None:
    """A wrong text, a jump beside every label and a label beside every instruction each fail."""
    with pytest.raises(AssertionError):
        assert_says_its_bytes(*listing.read(text))
