"""From an instruction to a callable."""

from types import FunctionType

import pytest

from decode import decode, forms
from emulate import Compiled, Cpu, Emulator, InvalidOpcode, Ram, UnsupportedInstruction, compiler, is_supported
from emulate.builder import Builder, Settings
from emulate.compiler import compile_instruction
from emulate.recipes import RECIPES
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


def test_instructions_of_one_shape_are_compiled_once() -> None:
    """Registers, widths and displacements are constants of a copy of the same code; the results are their own."""
    first = compiled("8b4710")
    before = compiler._shape.cache_info()
    second = compiled("488b5908")
    assert compiler._shape.cache_info().misses == before.misses
    assert first.run.__code__.co_code == second.run.__code__.co_code
    bus, cpu = Everywhere(), Cpu(rcx=0x2000)
    second.run(cpu, bus)
    assert (bus.log, cpu.rbx) == ([(1, 0x2008, 8)], bus.values[0])


def test_a_filled_shape_equals_the_text_compiled() -> None:
    """Filling the gaps of a shape does, for every form, what compiling its own text does."""
    for form in forms():
        for bits, code in form.examples.items():
            instruction = decode(code, bits)
            if instruction.string or not is_supported(instruction):
                continue
            builder = Builder(instruction, Settings())
            RECIPES[form.mnemonic](builder)
            source, namespace = builder.finish()
            outcomes = []
            of_its_own = FunctionType(compiler._code(source), namespace)
            for function in (compiler._function(source, namespace), of_its_own):
                bus = Everywhere()
                cpu = Cpu(bits, protected=False, esi=0x1000, ebx=0x20, esp=0x4000, edx=3, ecx=5, k1=5, xmm3=1 << 127)
                try:
                    function(cpu, bus)
                    raised = None
                except Exception as error:
                    raised = type(error), str(error)
                outcomes.append((cpu, bus.log, bus.values, raised))
            assert outcomes[0] == outcomes[1], source


@pytest.mark.parametrize("code", ["c5fa6f07", "62f17e486f07"], ids=["vex", "evex"])
def test_vex_does_not_exist_in_real_mode(code: str) -> None:
    """16-bit code is decoded alike in both modes; real mode refuses the encoding when it runs."""
    emulator = Emulator(Ram(0x100))
    emulator.step(Cpu(bits=16, protected=True), bytes.fromhex(code))
    with pytest.raises(InvalidOpcode, match="do not exist in real mode"):
        emulator.step(Cpu(bits=16), bytes.fromhex(code))


def test_a_shape_whose_literals_python_computes_with_is_compiled_each_time() -> None:
    """Nothing can be filled in where two literals have become one constant; a sign is no such case."""
    for computed in ("\0 & \0", "~\0", "bus & ~\0"):
        assert compiler._shape(f"def run(cpu, bus):\n    cpu.regs[\0] = {computed}\n") is None
    function = compiler._function("def run(cpu, bus):\n    cpu.append((-5, 12 & 10, [bus(7) for _ in '1']))\n", {})
    found: list[object] = []
    function(found, lambda value: value + 1)
    assert found == [(-5, 8, [8])]
