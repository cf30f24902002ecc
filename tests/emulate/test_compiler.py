"""From an instruction to a callable."""

import gc
import inspect
import io
import linecache
import pdb
import re
import traceback
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decode import DecodeError, decode, forms
from decode.operands import BranchOperand, ImmediateOperand, MemoryOperand
from emulate import Compiled, Cpu, Emulator, InvalidOpcode, Ram, UnsupportedInstruction, compiler, is_supported
from emulate.answer import COMPILED
from emulate.builder import Settings
from emulate.compiler import compile_instruction
from tests.emulate.everywhere import Everywhere


def compiled(code: str, bits: int = 64) -> Compiled:
    """Compile for the plain `Cpu`."""
    return compile_instruction(decode(bytes.fromhex(code), bits), Settings())


def test_a_compiled_instruction_runs() -> None:
    """`run(cpu, bus)` is the whole instruction; `source` says what it does."""
    load = compiled("8b4710")
    bus, cpu = Everywhere(), Cpu(rdi=0x1000, rip=0x400000)
    load.run(cpu, bus)
    assert (bus.log, cpu.rax, cpu.rip) == ([(1, 0x1010, 4)], bus.values[0], 0x400003)
    assert "bus.read(a0, 4)" in load.source
    assert load.instruction.format() == "mov eax,[rdi+10h]"


def test_string_instructions_have_no_source() -> None:
    """They share one state machine."""
    assert compiled("f3a4").source == ""


def test_what_has_no_recipe_is_unsupported() -> None:
    """The error names the instruction, its bytes and the mode."""
    with pytest.raises(UnsupportedInstruction, match=r"'vmfunc' is not emulated \(bytes 0f 01 d4, 64-bit code\)"):
        compiled("0f01d4")
    with pytest.raises(UnsupportedInstruction, match=r"'lgdt .*' needs descriptor tables, which are not modelled"):
        compiled("0f0117")
    assert not is_supported(decode(b"\x0f\xa2"))
    assert is_supported(decode(b"\x8b\x07"))


def test_a_recipe_may_refuse_a_form() -> None:
    """MOV is done, but not with control registers."""
    with pytest.raises(UnsupportedInstruction, match="'mov rax,cr0' uses cr0, which is not emulated"):
        compiled("0f20c0")
    assert not is_supported(decode(bytes.fromhex("0f20c0")))


def test_instructions_of_one_text_are_compiled_once() -> None:
    """Registers, displacements and immediates are defaults of functions of the same code; results are their own."""
    first, second = compiled("488b4710"), compiled("4c8b99e8030000")
    assert first.run.__code__ is second.run.__code__
    bus, cpu = Everywhere(), Cpu(rcx=0x2000)
    second.run(cpu, bus)
    assert (bus.log, cpu.r11) == ([(1, 0x23E8, 8)], bus.values[0])


_WITH_DISPLACEMENT = ("8b87", "0187", "668987", "488d84cb", "ffb7", "8f84f7", "c5fe6f87", "62f17e496f87")


@cache
def numbered() -> list[tuple[int, bytes]]:
    """Return an instruction of every form that ends with a displacement or immediate of 32 bits, and its mode."""
    examples = [(64, bytes.fromhex(code) + bytes(4)) for code in _WITH_DISPLACEMENT]
    examples += [(bits, code) for form in forms() for bits, code in form.examples.items() if len(code) > 4]
    return [
        (bits, code) for bits, code in examples if is_supported(decode(code, bits)) and ends_with_number(bits, code)
    ]


def ends_with_number(bits: int, code: bytes) -> bool:
    """Return whether the last four bytes of an instruction are a displacement or an immediate, whatever they are."""
    for number in (0x07563412, -0x01020304):
        try:
            operands = decode(code[:-4] + number.to_bytes(4, "little", signed=True), bits).operands
        except DecodeError:
            return False
        values = [operand.value for operand in operands if isinstance(operand, ImmediateOperand)]
        values += [o.displacement for o in operands if isinstance(o, MemoryOperand | BranchOperand)]
        if not {number, number & 0xFFFFFFFF, number & 0xFFFFFFFFFFFFFFFF} & set(values):
            return False
    return True


@given(st.data(), st.lists(st.binary(min_size=4, max_size=4), min_size=2, max_size=8))
def test_no_displacement_or_immediate_is_in_the_text(data: st.DataObject, endings: list[bytes]) -> None:
    """Whatever 32-bit number an instruction ends with, it has one text for each sign and for zero."""
    bits, code = data.draw(st.sampled_from(numbered()))
    compiled_codes = {
        compile_instruction(decode(code[:-4] + ending, bits), Settings()).run.__code__ for ending in endings
    }
    assert len(compiled_codes) <= 3


class Broken(Everywhere):
    """A bus with a mistake in it."""

    def read(self, address: int, width: int) -> int:
        raise LookupError("a mistake in a model")


def failure(code: str) -> BaseException:
    """Return what a broken bus raises through an instruction."""
    with pytest.raises(LookupError) as caught:
        Emulator(Broken()).step(Cpu(rdi=0x1000), bytes.fromhex(code))
    return caught.value


@pytest.mark.parametrize(("code", "line"), [("8b4710", "m1 = bus.read(a0, 4)"), ("f00107", "bus, a0, 4, lambda old: ")])
def test_tracebacks_show_the_text(code: str, line: str) -> None:
    """The line of the instruction that called the bus stands in the traceback of what the bus raised."""
    lines = traceback.format_exception(failure(code))
    where = next(index for index, text in enumerate(lines) if "<pagetrap instruction" in text)
    assert line in lines[where]
    assert any("a mistake in a model" in text for text in lines[where:])


def test_debuggers_list_the_text() -> None:
    """`pdb` shows the lines around, and the values of what is a parameter in them."""
    output = io.StringIO()
    debugger = pdb.Pdb(stdin=io.StringIO("up\nlist\np disp1\nquit\n"), stdout=output, nosigint=True, readrc=False)
    debugger.use_rawinput = False
    debugger.reset()
    debugger.interaction(None, failure("8b4710").__traceback__)
    shown = output.getvalue()
    assert "a0 = r[reg0] + disp1" in shown
    assert re.search(r"->\s+m1 = bus\.read\(a0, 4\)", shown), shown
    assert "(Pdb) 16" in shown


def test_inspect_finds_the_text() -> None:
    """`inspect.getsource` gives what was compiled."""
    load = compiled("8b4710")
    text = inspect.getsource(load.run)
    assert text.splitlines()[1:] == load.source.splitlines()[1:]


def texts_kept() -> set[str]:
    """Return the names of the texts that `linecache` has."""
    return {name for name in linecache.cache if name.startswith(COMPILED)}


def test_texts_are_kept_as_long_as_their_code() -> None:
    """An evicted instruction takes its text along; one that is in use keeps it, whatever else is evicted."""
    compiler._code.cache_clear()
    gc.collect()
    before = texts_kept()
    kept, dropped = compiled("62f17e486f07").run.__code__, compiled("62f17e486f4701").run.__code__
    assert texts_kept() - before == {kept.co_filename, dropped.co_filename}
    compiler._code.cache_clear()
    del dropped
    gc.collect()
    assert texts_kept() - before == {kept.co_filename}
    assert inspect.getsource(kept)


@pytest.mark.parametrize("code", ["c5fa6f07", "62f17e486f07"], ids=["vex", "evex"])
def test_vex_does_not_exist_in_real_mode(code: str) -> None:
    """16-bit code is decoded alike in both modes; real mode refuses the encoding when it runs."""
    emulator = Emulator(Ram(0x100))
    emulator.step(Cpu(bits=16, protected=True), bytes.fromhex(code))
    with pytest.raises(InvalidOpcode, match="do not exist in real mode"):
        emulator.step(Cpu(bits=16), bytes.fromhex(code))
