"""An instruction written down: what the text contains, in which order, and what it never contains."""

import ast
import re
from collections.abc import Iterator

import pytest

from decode import READ, REGISTERS, MemoryOperand, decode, forms
from emulate import Cpu, Emulator, Fault, GeneralProtection, UnsupportedInstruction, is_supported
from emulate.builder import Builder, Settings
from emulate.compiler import _function, compile_instruction
from emulate.recipes import RECIPES
from emulate.source import Source
from tests.emulate.everywhere import Everywhere

SLOT_NAMES = ("rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi")


def builder(code: str, bits: int = 64) -> Builder:
    """A builder that nothing was written into yet."""
    return Builder(decode(bytes.fromhex(code), bits), Settings())


def written(code: str, bits: int = 64) -> Source:
    """The finished source of an instruction."""
    b = builder(code, bits)
    RECIPES[b.instruction.mnemonic](b)
    return b.finish()


def sources() -> Iterator[Source]:
    """The source of every form that has one."""
    for form in forms():
        for bits, code in form.examples.items():
            b = Builder(decode(code, bits), Settings())
            if not b.instruction.string and is_supported(b.instruction):
                RECIPES[form.mnemonic](b)
                yield b.finish()


def test_a_load() -> None:
    """The example of the module's docstring: masks and widths are numbers, registers and displacements parameters."""
    assert str(written("8b4710")) == (
        "def run(cpu, bus, reg0=0x7, disp1=0x10, reg2=0x0, length=0x3, canonical=canonical, fitting=fitting):\n"
        "    r = cpu.regs\n"
        "    a0 = r[reg0] + disp1\n"
        "    if a0 > 0x7ffffffffffc: a0 = canonical(a0, 4)\n"
        "    ip = r[16] + length\n"
        "    if ip > 0xffffffffffffffff: ip &= 0xffffffffffffffff\n"
        "    m1 = bus.read(a0, 4)\n"
        "    if m1 >> 32: m1 = fitting(m1, a0, 4)\n"
        "    r[reg2] = m1\n"
        "    r[16] = ip\n"
    )


def test_only_names_made_here_enter_the_text() -> None:
    """A source is one function without imports or attributes with underscores; names are parameters and locals."""
    for source in sources():
        tree = ast.parse(source.text)
        assert [type(node) for node in tree.body] == [ast.FunctionDef]
        nodes = list(ast.walk(tree))
        own = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
        own |= {argument.arg for node in nodes if isinstance(node, ast.arguments) for argument in node.args}
        used = {node.id for node in nodes if isinstance(node, ast.Name)}
        parameters = {"cpu", "bus", *source.constants, *source.objects}
        assert own >= parameters, source
        assert used <= own | {"max", "min"}, source
        stored = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
        assert not stored & parameters, source
        assert not any(isinstance(node, ast.Import | ast.ImportFrom | ast.Global) for node in nodes)
        assert not any(isinstance(node, ast.Attribute) and node.attr.startswith("_") for node in nodes)


def is_commit(statement: ast.stmt) -> bool:
    """Whether a statement writes a register or other state of the CPU."""
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    places = [place for target in targets for place in (target.elts if isinstance(target, ast.Tuple) else [target])]
    return any(isinstance(place, ast.Subscript | ast.Attribute) for place in places)


def test_registers_are_written_last() -> None:
    """Whatever recipes do, once a register is written nothing is accessed and nothing can be refused any more."""
    for source in sources():
        function = ast.parse(source.text).body[0]
        assert isinstance(function, ast.FunctionDef)
        first = next(index for index, statement in enumerate(function.body) if is_commit(statement))
        for statement in function.body[first:]:
            names = {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}
            assert "bus" not in names, source
            assert not isinstance(statement, ast.If), source
        assert is_commit(function.body[-1]), source


def test_checks_come_before_accesses() -> None:
    """Every address is computed and checked before the first access."""
    lines = written("ff30").body.splitlines()  # push [rax]: a load and a store
    checks = [index for index, line in enumerate(lines) if "canonical(" in line]
    accesses = [index for index, line in enumerate(lines) if "bus." in line]
    assert len(checks) == len(accesses) == 2
    assert max(checks) < min(accesses)


def test_an_object_is_bound_once() -> None:
    """The same object keeps its name, another one of the same name gets a new one."""
    b = builder("90")
    first, second = object(), object()
    assert b.bind(first, "thing") == b.bind(first, "other") == "thing"
    assert b.bind(second, "thing") == "thing_1"
    assert b.call(len, 1, "x") == "len(1, x)"


def test_an_address_is_planned_once() -> None:
    """Reading and writing one operand computes and checks its address once."""
    source = written("0107").body
    assert source.count("canonical(") == 1
    assert source.count("r[reg1]") == 1


@pytest.mark.parametrize(
    ("operand", "expected"),
    [
        (("rdi", None, 1, 0, 8), "r[rdi]"),
        (("rdi", None, 1, -8, 8), "r[rdi] + -0x8 & 0xffffffffffffffff"),
        (("edi", None, 1, 0, 4), "(r[rdi] & 0xffffffff)"),
        ((None, "rcx", 4, 0, 8), "r[rcx] * 4 & 0xffffffffffffffff"),
        (("rdi", "rcx", 1, 0, 8), "r[rdi] + r[rcx] & 0xffffffffffffffff"),
        (("bx", "si", 1, 2, 2), "(r[rbx] & 0xffff) + (r[rsi] & 0xffff) + 0x2 & 0xffff"),
        ((None, None, 1, -0x2000000, 4), "0xfe000000"),
        (("rip", None, 1, 0x10, 8), "r[16] + 0x12 & 0xffffffffffffffff"),
    ],
)
def test_effective_addresses(operand: tuple[str | None, str | None, int, int, int], expected: str) -> None:
    """Base, index, scale and displacement, wrapped only where they can leave the address size."""
    base, index, scale, displacement, width = operand
    named = MemoryOperand(
        REGISTERS[base] if base else None,
        REGISTERS[index] if index else None,
        scale,
        displacement,
        REGISTERS["ds"],
        width,
        4,
        READ,
    )
    b = builder("8b07")
    text = b.effective_address(named)
    for name, value in b.finish().constants.items():
        shown = SLOT_NAMES[value] if name.startswith("reg") else f"{value:#x}"
        text = re.sub(rf"\b{name}\b", shown, text)
    assert text == expected


def test_what_has_no_register_file_is_unsupported() -> None:
    """Control and debug registers are named but not modelled."""
    b = builder("8b07")
    with pytest.raises(UnsupportedInstruction, match="uses cr0, which is not emulated"):
        b.word(REGISTERS["cr0"])


def test_only_whole_operands_are_accessed_here() -> None:
    """Elements under a mask are the business of `emulate.masking`; a recipe that forgets is refused, not wrong."""
    b = builder("62f17c491007")
    with pytest.raises(UnsupportedInstruction, match="is not emulated"):
        b.read(b.instruction.operands[1])


@pytest.mark.parametrize(
    ("registers", "expected"),
    [
        (("al", "ah"), 0x1122334455662211),
        (("ah", "al"), 0x1122334455661122),
        (("eax",), 0x11),
        (("ax",), 0x1122334455660011),
    ],
)
def test_register_writes_merge(registers: tuple[str, ...], expected: int) -> None:
    """Two parts of one register can be written by one instruction; the second keeps what the first wrote."""
    b = builder("90")
    for value, name in zip((0x11, 0x22), registers, strict=False):
        b.set_register(REGISTERS[name], f"{value:#x}")
    cpu = Cpu(rax=0x1122334455667788)
    _function(b.finish())(cpu, Everywhere())
    assert cpu.rax == expected


def test_unchanged_keeps_the_whole_register() -> None:
    """What is written back to leave a register alone has the upper half of a 32-bit one too."""
    assert builder("90").unchanged(REGISTERS["eax"]) == "r[reg0]"
    assert builder("90").unchanged(REGISTERS["ax"]) == "(r[reg0] & 0xffff)"


def test_later_values_may_need_earlier_registers() -> None:
    """When a commit reads a register that another one writes, they happen at once."""
    b = builder("90")
    rax, rbx = REGISTERS["rax"], REGISTERS["rbx"]
    b.set_register(rax, b.register(rbx))
    b.set_register(rbx, b.register(rax))
    cpu = Cpu(rax=1, rbx=2)
    _function(b.finish())(cpu, Everywhere())
    assert (cpu.rax, cpu.rbx) == (2, 1)


def test_a_branch_target_is_checked_before_anything_is_pushed() -> None:
    """CALL to a place that is not canonical, or beyond the limit of CS, faults and pushes nothing."""
    bus, cpu = Everywhere(), Cpu(rax=1 << 63, rsp=0x1000)
    with pytest.raises(GeneralProtection):
        Emulator(bus).step(cpu, b"\xff\xd0")
    cpu = Cpu(32, eax=0x10000, esp=0x1000)
    cpu.limits = [0xFFFF] * 6
    with pytest.raises(GeneralProtection, match="lie beyond the limit 0xffff"):
        Emulator(bus).step(cpu, b"\xff\xd0")
    assert bus.log == []


@pytest.mark.parametrize(
    ("bits", "ip", "code", "after"),
    [(64, 2**64 - 2, "8b07", 0), (32, 0xFFFFFFFE, "8b07", 0), (16, 0xFFFE, "8b07", 0), (32, 0x1000, "8b4710", 0x1003)],
)
def test_the_instruction_pointer_wraps_with_the_mode(bits: int, ip: int, code: str, after: int) -> None:
    """IP, EIP or RIP advances past the instruction."""
    cpu = Cpu(bits, rip=ip)
    Emulator(Everywhere()).step(cpu, bytes.fromhex(code))
    assert cpu.rip == after


@pytest.mark.parametrize(
    ("code", "aligned", "misaligned"),
    [("8b07", 0x1004, 0x1002), ("668b07", 0x1002, 0x1001), ("488b07", 0x1008, 0x1004), ("8a07", 0x1001, None)],
)
def test_alignment_check_is_a_setting(code: str, aligned: int, misaligned: int | None) -> None:
    """With it, and EFLAGS.AC, a misaligned access raises #AC; without either, nothing does."""
    strict, lax = Emulator(Everywhere(), alignment_check=True), Emulator(Everywhere())
    strict.step(Cpu(rdi=aligned, ac=1), bytes.fromhex(code))
    if misaligned is not None:
        with pytest.raises(Fault, match="#AC"):
            strict.step(Cpu(rdi=misaligned, ac=1), bytes.fromhex(code))
        strict.step(Cpu(rdi=misaligned), bytes.fromhex(code))
        lax.step(Cpu(rdi=misaligned, ac=1), bytes.fromhex(code))


def test_settings_are_a_value() -> None:
    """What is compiled for equal settings is interchangeable."""
    assert Settings() == Settings(slots=tuple(range(18)), alignment_check=False, max_iterations=None)
    instruction = decode(b"\x8b\x07")
    assert compile_instruction(instruction, Settings()).source == compile_instruction(instruction, Settings()).source
