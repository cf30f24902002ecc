"""Translate a recipe into the Python source of one function.

A recipe says what an instruction does in terms of reading and writing operands; the builder turns that into the text of
one specialised function, in which every mask and width is a number. For `mov eax,[rdi+10h]` it is

    def run(cpu, bus, reg0=0x7, disp1=0x10, reg2=0x0, length=0x3, canonical=canonical, fitting=fitting):
        r = cpu.regs
        a0 = r[reg0] + disp1
        if a0 > 0x7ffffffffffc: a0 = canonical(a0, 4)
        ip = r[16] + length
        if ip > 0xffffffffffffffff: ip &= 0xffffffffffffffff
        m1 = bus.read(a0, 4)
        if m1 >> 32: m1 = fitting(m1, a0, 4)
        r[reg2] = m1
        r[16] = ip

What differs between instructions that do the same, which registers, displacements and immediates they name and how long
they are, is no part of the text: it is the default of a parameter, made by `Builder.constant`. The Python objects that
the text names are parameters as well, made by `Builder.bind`. So each text is compiled once (`emulate/compiler.py`).

The text has three parts in fixed order, which is how "plan, check, act, commit" holds for every instruction without
a recipe having to ensure it: addresses and checks, then bus accesses, then register writes. A recipe can put a line in
any part at any time. Only constants and names made here enter the text, never anything from a caller.
"""

from collections.abc import Callable
from typing import Any, Final, Literal

from attrs import frozen

from decode import Instruction, MemoryAccess
from decode.operands import ImmediateOperand, MemoryOperand, Operand, RegisterOperand
from decode.registers import FLAGS, GENERAL, MASK, MMX, POINTER, REGISTERS, SEGMENT, VECTOR, Register
from decode.vendors import Vendor
from emulate import address
from emulate.answer import fitting, fitting_port
from emulate.bus import locked
from emulate.cpu import RFLAGS, RIP, SLOTS
from emulate.faults import UnsupportedInstruction
from emulate.flags import AC, WORD
from emulate.source import Source, commit_lines

_PRELUDE: Final = {
    "v": "cpu.vector",
    "k": "cpu.k",
    "x": "cpu.x87",
    "s": "cpu.selectors",
    "b": "cpu.bases",
    "l": "cpu.limits",
}
MISALIGNED_MASK: Final = 1 << 17
"""MXCSR.MM of AMD's CPUs: operands of SSE instructions but moves need no alignment (APM vol. 1, MXCSR Register)."""

_LETTERS: Final = {VECTOR: "v", MASK: "k", MMX: "x", SEGMENT: "s"}


@frozen(slots=True)
class Settings:
    """Settings that a compiled instruction depends on besides its bytes.

    Attributes:
        slots: where rax … r15, rip, rflags stand in `cpu.regs`.
        alignment_check: CR0.AM is set and the code runs in ring 3: with EFLAGS.AC, misaligned accesses raise #AC.
        max_iterations: most iterations of a REP string instruction in one run, None for no bound.
        port_allowed: `(port, width) -> bool`, the IO permission check; None allows every port.
        bus_checks_answers: the bus looks at its answers itself.
        vendor: whose CPUs to do as where they differ.
    """

    slots: tuple[int, ...] = SLOTS
    alignment_check: bool = False
    max_iterations: int | None = None
    port_allowed: Callable[[int, int], bool] | None = None
    bus_checks_answers: bool = False
    vendor: Vendor = "intel"


class Builder:
    """The source of one instruction, as recipes write it.

    Expressions are strings of Python; a method that returns one may have added lines that it depends on.

    Args:
        instruction: what to build.
        settings: for whom.
    """

    def __init__(self, instruction: Instruction, settings: Settings) -> None:
        self.instruction = instruction
        self.settings = settings
        self.slots = settings.slots
        self.bits = instruction.bits
        self.amd = settings.vendor == "amd"
        self._plan: list[str] = []
        self._act: list[str] = []
        self._words: dict[str, str] = {}
        self._used: set[str] = set()
        self._constants: dict[str, int] = {}
        self._objects: dict[str, Any] = {}
        self._elements: dict[tuple[str, int], str] = {}
        self._count = 0
        self._addresses: dict[int, tuple[MemoryOperand, str]] = {}  # by id, which lasts as long as the operand is kept

    def unsupported(self, reason: str = "is not emulated") -> UnsupportedInstruction:
        """Return the error to raise when a recipe cannot do this form of the instruction."""
        return UnsupportedInstruction(self.instruction, reason)

    def bind(self, value: Any, name: str) -> str:
        """Make a Python object available to the source under a name like `name`; return that name."""
        for known, bound in self._objects.items():
            if bound is value:
                return known
        unique = name if name not in self._objects else f"{name}_{len(self._objects)}"
        self._objects[unique] = value
        return unique

    def constant(self, value: int, name: str) -> str:
        """Keep a number out of the text; return the name, which begins with `name`, of the parameter that has it.

        For numbers of which an operand may have any: written into the text, each would be compiled anew.
        """
        unique = f"{name}{len(self._constants)}"
        self._constants[unique] = value
        return unique

    def call(self, function: Callable[..., Any], *arguments: object) -> str:
        """Return a call of a Python function with the given expressions."""
        return f"{self.bind(function, function.__name__)}({', '.join(map(str, arguments))})"

    def plan(self, line: str) -> None:
        """Add a line that computes or checks, before any access."""
        self._plan.append(line)

    def act(self, line: str) -> None:
        """Add a line to the accesses."""
        self._act.append(line)

    def name(self, prefix: str) -> str:
        """Return a fresh local name."""
        self._count += 1
        return f"{prefix}{self._count - 1}"

    def local(self, expression: str, prefix: str = "t") -> str:
        """Evaluate an expression among the accesses, in order; return the name of its value."""
        name = self.name(prefix)
        self.act(f"{name} = {expression}")
        return name

    def word(self, register: Register) -> str:
        """Return the expression of the whole file word a register lies in."""
        if register.file == GENERAL:
            return self._element("r", self.slots[register.index])
        if register.file == POINTER:
            return f"r[{self.slots[RIP]}]"
        if register.file == FLAGS:
            return f"r[{self.slots[RFLAGS]}]"
        letter = _LETTERS.get(register.file)
        if letter is None:
            raise self.unsupported(f"uses {register}, which is not emulated")
        self._used.add(letter)
        return self._element(letter, register.index)

    def _element(self, letter: str, index: int) -> str:
        """Return the expression of a register file's element: always the same, as commits are distinguished by it."""
        if (letter, index) not in self._elements:
            self._elements[letter, index] = f"{letter}[{self.constant(index, 'reg')}]"
        return self._elements[letter, index]

    def register(self, register: Register, width: int | None = None) -> str:
        """Return the expression of a register's value, or of its low `width` bytes."""
        word = self.word(register)
        mask = register.mask if width is None else register.mask & (1 << 8 * width) - 1
        if register.shift:
            return f"({word} >> {register.shift} & {mask:#x})"
        whole = register.width == 8 and register.file != MMX and (width is None or width >= 8)
        return word if whole or register.file == SEGMENT else f"({word} & {mask:#x})"

    @property
    def flags(self) -> str:
        """The expression of rflags before the instruction."""
        return f"r[{self.slots[RFLAGS]}]"

    def set_flags(self, expression: str) -> None:
        """Commit a whole new rflags word."""
        self._words[self.flags] = expression

    def set_register(self, register: Register, expression: str) -> None:
        """Commit a register, by the one merge rule of `decode.registers`."""
        word = self.word(register)
        vector = register.file == VECTOR and self.instruction.encoding != "legacy"
        keep = 0 if vector else register.keep
        value = f"({expression}) << {register.shift}" if register.shift else expression
        if register.fill:
            value = f"{register.fill:#x} | {value}"
        # Both AL and AH may be written by one instruction: the second write keeps what the first made of the word.
        before = f"({self._words[word]})" if word in self._words else word
        self._words[word] = f"{before} & {keep:#x} | {value}" if keep else value

    def unchanged(self, register: Register) -> str:
        """Return what to write to a register for it to stay as it is: of a 32-bit one, the upper half too."""
        return self.register(register) if register.keep else self.word(register)

    @property
    def next_ip(self) -> str:
        """The expression of the next instruction's address."""
        return f"r[{self.slots[RIP]}] + {self._length()} & {(1 << self.bits) - 1:#x}"

    def _length(self) -> str:
        """Return the name of the instruction's length."""
        self._constants["length"] = self.instruction.length
        return "length"

    def set_rip(self, target: str) -> None:
        """Commit a branch target, checked here: canonical in 64-bit code, within the limit of CS elsewhere.

        What is written to memory after this is written only if the target is good: CALL checks before it pushes
        (SDM vol. 2A, CALL).
        """
        name = self.local(target, "ip")
        if self.bits == 64:
            self.act(f"if {name} > {address.CANONICAL_TOP:#x}: {self.call(address.canonical, name, 1)}")
        else:
            self._used.add("l")
            segment = self.bind(REGISTERS["cs"], "cs")
            self.act(f"if l: {self.call(address.check_limit, 'l', segment, name, 1)}")
        self._words[f"r[{self.slots[RIP]}]"] = name

    def commit(self, word: str, expression: str) -> None:
        """Commit any other piece of state, such as `cpu.fsw`."""
        self._words[word] = expression

    def effective_address(self, operand: MemoryOperand, extra: str = "", *, checked: bool = False) -> str:
        """Return the expression of an operand's offset in its segment, `extra` (an expression) added in.

        Args:
            operand: the operand.
            extra: the expression.
            checked: in 64-bit code the check that `place` plans will see to what goes beyond 2^64.
        """
        terms = []
        constant = operand.displacement
        if operand.base is not None:
            terms.append(self.register(operand.base))
            if operand.is_rip_relative:
                constant += self.instruction.length
        if operand.index is not None:
            index = self.register(operand.index)
            terms.append(f"{index} * {operand.scale}" if operand.scale > 1 else index)
        if extra:
            terms.append(extra)
        mask = (1 << 8 * operand.address_width) - 1
        if not terms:
            return self.constant(constant & mask, "disp")
        text = " + ".join(terms)
        if constant:
            text += f" + {self.constant(constant, 'disp')}"
        elif operand.index is None and not extra:
            return text
        if checked and constant >= 0 and not extra and operand.address_width == 8:  # never negative
            return text
        return f"{text} & {mask:#x}"

    def address(
        self,
        operand: MemoryOperand,
        width: int | None = None,
        extra: str = "",
        alignment: int = 0,
        part: int = 0,
        maskable: bool = False,
    ) -> str:
        """Plan an operand's linear address and its checks, once; return its name.

        Args:
            operand: the operand.
            width: bytes that will be touched, when not the operand's own; 0 for no check.
            extra: an expression added to the effective address, for good: later reads and writes go there.
            alignment: bytes it must be aligned to whatever EFLAGS.AC says (SDM vol. 2, exception classes 1 and 2); 0
                where EFLAGS.AC decides, as it mostly does.
            part: bytes of the parts whose alignment EFLAGS.AC makes count, where the operand is not one number.
            maskable: on AMD's CPUs EFLAGS.AC decides, and not `alignment`, while MXCSR.MM is set.
        """
        if id(operand) not in self._addresses:
            width = operand.width if width is None else width
            offset = self.effective_address(operand, extra, checked=width > 0)
            self._addresses[id(operand)] = (
                operand,
                self.place(operand.segment, offset, width, alignment, part, maskable),
            )
        return self._addresses[id(operand)][1]

    def place(
        self, segment: Register, offset: str, width: int, alignment: int = 0, part: int = 0, maskable: bool = False
    ) -> str:
        """Plan the linear address of an offset in a segment, and the checks of `width` bytes there; return its name.

        64-bit code: only FS and GS have a base, and the address must be canonical. Elsewhere every segment has a base,
        and a limit when the CPU was given one.
        """
        name = self.name("a")
        linear = name
        if self.bits != 64:
            self._used |= {"b", "l"}
            linear = f"{name} + b[{segment.index}] & 0xffffffff"
        elif segment.index >= 4:
            self._used.add("b")
            offset = f"({offset}) + b[{segment.index}]" + f" & {WORD:#x}" * (not width)
        self.plan(f"{name} = {offset}")
        if alignment:  # comes first, as on silicon: #GP rather than the #SS of the checks below
            misaligned = self.call(address.misaligned, linear, alignment)
            unless = f" and not cpu.mxcsr & {MISALIGNED_MASK:#x}" * (maskable and self.amd)
            self.plan(f"if ({linear}) & {alignment - 1:#x}{unless}: {misaligned}")
        if width and self.bits == 64:
            stack = (True,) if segment.name == "ss" else ()
            check = self.call(address.canonical, name, width, *stack)
            self.plan(f"if {name} > {address.CANONICAL_TOP - width + 1:#x}: {name} = {check}")
        elif width:
            named = self.bind(segment, segment.name)
            self.plan(f"if l: {self.call(address.check_limit, 'l', named, name, width)}")
        if self.bits != 64:
            self.plan(f"{name} = {linear}")
        # With EFLAGS.AC, vectors of 16 bytes may lie anywhere on Intel's CPUs (which "may or may not" check them, SDM
        # vol. 2B, MOVUPS); AMD's want 16 bytes and longer ones aligned to 16.
        checked = width > 0 and (width < 16 or self.amd) and (not alignment or maskable)
        if self.settings.alignment_check and checked:
            self.plan(f"if {self.flags} & {AC:#x}: {self.call(address.check_alignment, name, part or width)}")
        return name

    def read(self, operand: Operand, width: int | None = None) -> str:
        """Return the expression of an operand's value, unsigned; memory is read here, once.

        Args:
            operand: a register, immediate or memory operand.
            width: for registers, how many low bytes.
        """
        if isinstance(operand, ImmediateOperand):
            return self.constant(operand.value, "imm")
        if isinstance(operand, RegisterOperand):
            return self.register(operand.register, width)
        return self.answer("read", self._whole(operand), operand.width)

    def answer(self, method: Literal["read", "port_read"], place: str, width: int) -> str:
        """Ask the bus for `width` bytes at an address or port; return the name of its answer, which fits."""
        name = self.local(f"bus.{method}({place}, {width})", "m")
        if not self.settings.bus_checks_answers:
            fit = self.call(fitting if method == "read" else fitting_port, name, place, width)
            self.act(f"if {name} >> {8 * width}: {name} = {fit}")
        return name

    def write(self, operand: Operand, expression: str) -> None:
        """Write an operand: memory among the accesses, a register at the end."""
        if isinstance(operand, RegisterOperand):
            self.set_register(operand.register, expression)
            return
        self.act(f"bus.write({self._whole(operand)}, {operand.width}, {expression})")

    def update(self, operand: MemoryOperand, operation: Callable[[str], str]) -> str:
        """Make an indivisible read-modify-write; return the name of the old value.

        Args:
            operand: where.
            operation: given the name of the old value, returns the expression of the new one.
        """
        place = self.address(operand)
        new = f"lambda old: {operation('old')}"
        return self.local(self.call(locked, "bus", place, operand.width, new), "m")

    def access(self, operand: Operand) -> MemoryAccess | None:
        """Return the memory access made through an operand, None when there is none."""
        for access in self.instruction.accesses:
            if isinstance(access, MemoryAccess) and access.operand is operand:
                return access
        return None

    def _whole(self, operand: Operand) -> str:
        """Plan the address of an operand accessed in one piece; masked ones are the business of `emulate.masking`."""
        access = self.access(operand)
        if not isinstance(operand, MemoryOperand) or (access is not None and access.selection != "whole"):
            raise self.unsupported()
        return self.address(operand)

    def finish(self) -> Source:
        """Return what was written, once."""
        rip, last = f"r[{self.slots[RIP]}]", (1 << self.bits) - 1
        if rip not in self._words:  # a comparison that says no costs less than a mask that changes nothing
            self._plan += [f"ip = {rip} + {self._length()}", f"if ip > {last:#x}: ip &= {last:#x}"]
            self._words[rip] = "ip"
        lines = ["r = cpu.regs"]
        lines += [f"{letter} = {_PRELUDE[letter]}" for letter in _PRELUDE if letter in self._used]
        lines += self._plan + self._act + commit_lines(self._words)
        return Source("".join(f"    {line}\n" for line in lines), self._constants, self._objects)
