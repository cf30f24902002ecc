"""A Python signal handler raises wherever the interpreter may call it while an access is made."""

import dis
import json
import os
import signal
import sys
from collections.abc import Iterator
from ctypes import CDLL
from functools import cache
from itertools import pairwise
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import pytest

import decode
import emulate
import mmio
from mmio.inprocess import Mapping, ioremap
from mmio.live.own_slots import own_slots
from tests.mmio.inprocess.models import Bytes
from tests.native import compile_c

# With an address that is different in each function, so that each has an instruction that has not been met before.
INSTRUCTIONS = (
    "movl {at}(%rdi), %eax",
    "movl $1, {at}(%rdi)",
    "addl %eax, {at}(%rdi)",
    "movzbl {at}(%rdi), %eax",
    "movups {at}(%rdi), %xmm0",
    "movdqa %xmm0, {at}(%rdi)",
    "cvtsi2sdl {at}(%rdi), %xmm0",
    "flds {at}(%rdi); fstp %st(0)",
    "fxsave {at}(%rdi)",
    "cmpxchg8b {at}(%rdi)",
)
ERRORS = (TimeoutError, ValueError, KeyError, TypeError, AttributeError, RuntimeError, LookupError)
FUNCTIONS = 1500
PACKAGES = tuple(f"{Path(str(package.__file__)).parent}{os.sep}" for package in (decode, emulate, mmio))


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> CDLL:
    lines = [
        f".globl f{row}_{column}\nf{row}_{column}: .cfi_startproc; {text.format(at=64 * column)}; ret; .cfi_endproc"
        for row, text in enumerate(INSTRUCTIONS)
        for column in range(FUNCTIONS)
    ]
    source = "\n".join(f'{json.dumps(line)} "\\n"' for line in lines)
    return compile_c(f"__asm__(\n{source}\n);", tmp_path_factory.mktemp("driver"))


@pytest.fixture
def raised() -> Iterator[list[type[Exception]]]:
    """The one class that the handler of SIGUSR1 raises."""
    raised: list[type[Exception]] = [Exception]

    def handler(_number: int, _frame: FrameType | None) -> None:
        raise raised[0]("told")

    old = signal.signal(signal.SIGUSR1, handler)
    yield raised
    signal.signal(signal.SIGUSR1, old)


@pytest.fixture
def mapping(raised: list[type[Exception]]) -> Iterator[Mapping]:
    """A mapping that is made when the handler is there: the signals of handlers in C are held back during accesses."""
    with ioremap(Bytes(64 * FUNCTIONS + 512)) as mapping:
        yield mapping


@cache
def points(code: CodeType) -> set[int]:
    """Return the offsets behind the instructions at which the interpreter calls signal handlers."""
    instructions = list(dis.get_instructions(code))
    names = ("CALL", "RESUME", "JUMP_BACKWARD")
    return {after.offset for one, after in pairwise(instructions) if one.opname.startswith(names)}


class SignalAt:
    """Sends a signal to this thread at one of the points in the project's code: 0 is the first that is met."""

    def __init__(self, number: int) -> None:
        self.where = ""
        self._number = number
        self._met: set[tuple[CodeType, int]] = set()
        self._returned = False  # a Python function just now: the interpreter does not look for signals then

    def __enter__(self) -> "SignalAt":
        sys.settrace(self._event)
        return self

    def __exit__(self, *_error: object) -> None:
        sys.settrace(None)

    def _event(self, frame: FrameType, event: str, _argument: object) -> Any:
        code, returned = frame.f_code, self._returned
        self._returned = event == "return"
        if code.co_filename.startswith(PACKAGES):
            frame.f_trace_opcodes = True
            if event == "opcode" and not returned and frame.f_lasti in points(code):
                self._met.add((code, frame.f_lasti))
                if len(self._met) > self._number:
                    self.where = f"{code.co_filename}:{frame.f_lineno}, in {code.co_name}"
                    sys.settrace(None)
                    signal.raise_signal(signal.SIGUSR1)
        return self._event


@pytest.mark.parametrize("met", [False, True], ids=["new", "met"])
@pytest.mark.parametrize("row", range(len(INSTRUCTIONS)), ids=INSTRUCTIONS)
def test_what_a_signal_handler_raises_comes_out(
    driver: CDLL, mapping: Mapping, raised: list[type[Exception]], way: str, row: int, met: bool
) -> None:
    """It is of a class that code on the way might catch, for a reason of its own."""
    lost: list[str] = []
    for column in range(FUNCTIONS):
        function = driver[f"f{row}_{column}"]
        if met:
            function(mapping)
        raised[0] = ERRORS[(row + column) % len(ERRORS)]
        got: BaseException | None = None
        try:
            with SignalAt(column) as sent:
                function(mapping)
        except Exception as error:
            got = error
        if not sent.where:
            assert got is None
            break
        if type(got) is not raised[0] or got.args != ("told",):
            lost.append(f"{raised[0].__name__} at {sent.where}: {got!r}")
    assert not lost
    assert not [slot for block in own_slots()._blocks.values() for slot in block if not own_slots()._is_free(slot)]
    assert 5 < column < FUNCTIONS - 1
    assert bool(mapping.stats.patched) == (way != "signals")
