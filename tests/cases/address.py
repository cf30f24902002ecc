"""Memory operands that meet the window: pick where, pick a form, and solve for the registers.

The place comes first, because what matters is where an access lands: aligned, across a page, at the window's border,
over it. Then any addressing form will do, with a displacement and an index as they come, and the base register is given
the value that makes it true.
"""

from __future__ import annotations

import attrs
from iced_x86 import EncodingKind, Instruction, OpKind, Register, Register_, RegisterExt

from tests.cases.chooser import Chooser, word
from tests.cases.forms import FILES
from tests.oracle.case import GENERAL, PAGE, Window

SEGMENT_REGISTERS = {
    "es": Register.ES,
    "cs": Register.CS,
    "ss": Register.SS,
    "ds": Register.DS,
    "fs": Register.FS,
    "gs": Register.GS,
}
_WIDTH_FILES = {16: "R16", 32: "R32", 64: "R64"}
_FORMS_16: tuple[tuple[Register_, Register_], ...] = (
    *((Register.BX, Register.NONE), (Register.SI, Register.NONE), (Register.DI, Register.NONE)),
    *((Register.BP, Register.NONE), (Register.BX, Register.SI), (Register.BX, Register.DI)),
    *((Register.BP, Register.SI), (Register.BP, Register.DI), (Register.NONE, Register.NONE)),
)
_STRING_KINDS = {
    ("SI", 16): OpKind.MEMORY_SEG_SI,
    ("SI", 32): OpKind.MEMORY_SEG_ESI,
    ("SI", 64): OpKind.MEMORY_SEG_RSI,
    ("DI", 16): OpKind.MEMORY_SEG_DI,
    ("DI", 32): OpKind.MEMORY_SEG_EDI,
    ("DI", 64): OpKind.MEMORY_SEG_RDI,
    ("ESDI", 16): OpKind.MEMORY_ESDI,
    ("ESDI", 32): OpKind.MEMORY_ESEDI,
    ("ESDI", 64): OpKind.MEMORY_ESRDI,
}


_NAMES = dict(zip(FILES["R64"], GENERAL, strict=True))


def full_name(register: Register_) -> str:
    """The 64-bit register that a general register is part of, by name."""
    return _NAMES[RegisterExt.full_register(register)]


@attrs.define
class Place:
    """Where a case happens, and what addressing has fixed of its registers so far.

    `width` is the address size in bits. `extended` says whether registers that need a REX prefix may be used.
    """

    chooser: Chooser
    bits: int
    width: int
    window: Window
    ip: int
    bases: dict[str, int]
    extended: bool
    fixed: dict[str, int] = attrs.Factory(dict)
    spots: dict[str, int] = attrs.Factory(dict)

    def spot(self, size: int) -> int:
        """Pick an address for `size` bytes: mostly in the window, now and then over its border."""
        end = len(self.window.contents)
        integer = self.chooser.integer
        match self.chooser.pick(
            ("aligned", "aligned", "aligned", "any", "any", "page", "first", "last", "over", "under")
        ):
            case "aligned":
                offset = PAGE + 64 * integer(0, 16)
            case "any":
                offset = integer(0, end - size)
            case "page":
                offset = PAGE * integer(1, 2) - integer(1, max(size - 1, 1))
            case "first":
                offset = 0
            case "last":
                offset = end - size
            case "over":
                offset = end - integer(0, max(size - 1, 0))
            case _:
                # In a 16-bit segment, CPUs differ in whether an access that wraps around 4 GiB is within the limit.
                offset = 0 if (self.bits, self.width) == (16, 32) else -integer(1, max(size, 1))
        return self.window.base + offset

    def offset(self, address: int, segment: str) -> int:
        """The effective address that gives a linear address through a segment."""
        return address - self.base(segment) & (1 << self.width) - 1

    def base(self, segment: str) -> int:
        """The base in force for a segment: in 64-bit code only FS and GS have one."""
        return self.bases.get(segment, 0) if self.bits != 64 or segment in ("fs", "gs") else 0

    def set_address_register(self, register: Register_, value: int) -> None:
        """Fix a register to `value` at address size; what it has above is anything."""
        above = self.bits - self.width
        noise = word(self.chooser, above) << self.width if above > 0 else 0
        self.fixed[full_name(register)] = value & (1 << self.width) - 1 | noise

    def value(self, register: Register_) -> int:
        """The value at address size of a register that is used in an address, chosen now unless it is fixed."""
        name = full_name(register)
        if name not in self.fixed:
            self.set_address_register(register, word(self.chooser, self.width))
        return self.fixed[name] & (1 << self.width) - 1

    def registers(self) -> tuple[Register_, ...]:
        """The general registers that can be part of an address."""
        count = 8 if self.bits != 64 or not self.extended else 16
        return FILES[_WIDTH_FILES[self.width]][:count]


def string_operand(place: Place, instruction: Instruction, operand: int, pointer: str, size: int) -> None:
    """Point rSI or rDI to a spot for `size` bytes; a second pointer mostly comes near the first, or overlaps it."""
    instruction.set_op_kind(operand, _STRING_KINDS[pointer, place.width])
    segment = "es"
    if pointer != "ESDI":
        segment = _override(place, instruction) or "ds"
    register = FILES["R64"][6 if pointer == "SI" else 7]
    first = next(iter(place.spots.values()), None)
    near = first is not None and place.chooser.pick((False, True))
    address = first + place.chooser.integer(-2 * size, 2 * size) if first is not None and near else place.spot(size)
    place.spots[pointer] = address
    place.set_address_register(register, place.offset(address, segment))


def xlat_operand(place: Place, instruction: Instruction, operand: int) -> None:
    """[rBX + AL]."""
    instruction.set_op_kind(operand, OpKind.MEMORY)
    base = FILES[_WIDTH_FILES[place.width]][3]
    instruction.memory_base, instruction.memory_index = base, Register.AL
    al = place.value(FILES["R64"][0]) & 0xFF
    segment = _override(place, instruction) or "ds"
    place.set_address_register(base, place.offset(place.spot(1), segment) - al)


def moffs_operand(place: Place, instruction: Instruction, operand: int, size: int) -> None:
    """An absolute address, as wide as the address size, in the instruction."""
    instruction.set_op_kind(operand, OpKind.MEMORY)
    segment = _override(place, instruction) or "ds"
    instruction.memory_displ_size = place.width // 8
    instruction.memory_displacement = place.offset(place.spot(size), segment)


def line_operand(place: Place, instruction: Instruction) -> None:
    """The cache line at rAX, which CLZERO does not name."""
    segment = _override(place, instruction) or "ds"
    place.set_address_register(FILES["R64"][0], place.offset(place.spot(1), segment))


def pointer_operand(place: Place, register: Register_, size: int) -> None:
    """A register that holds the address of a second memory operand, in ES."""
    place.set_address_register(register, place.offset(place.spot(size) & -size, "es"))


def memory_operand(place: Place, instruction: Instruction, operand: int, size: int, vsib: str = "") -> None:
    """A ModRM memory operand in any form. With `vsib`, its index is a register of that vector file."""
    instruction.set_op_kind(operand, OpKind.MEMORY)
    override = _override(place, instruction)
    target = place.spots["operand"] = place.spot(size)
    if place.width == 16:
        _form_16(place, instruction, target, override)
    else:
        _form_32(place, instruction, target, override, vsib)


def _override(place: Place, instruction: Instruction) -> str | None:
    """Pick a segment override prefix, or none."""
    override = place.chooser.pick((None, None, None, "fs", "gs", "es"))
    if override is not None:
        instruction.segment_prefix = SEGMENT_REGISTERS[override]
    return override


def _form_16(place: Place, instruction: Instruction, target: int, override: str | None) -> None:
    base, index = place.chooser.pick(_FORMS_16)
    segment = override or ("ss" if base == Register.BP else "ds")
    wanted = place.offset(target, segment)
    instruction.memory_base, instruction.memory_index = base, index
    if base == Register.NONE:
        instruction.memory_displ_size, instruction.memory_displacement = 2, wanted
        return
    displacement = _displacement(place, instruction, 2)
    if index != Register.NONE:
        wanted -= place.value(index)
    place.set_address_register(base, wanted - displacement)


def _form_32(place: Place, instruction: Instruction, target: int, override: str | None, vsib: str) -> None:
    """The forms of 32- and 64-bit addressing: base, base and index, index alone, absolute, RIP-relative."""
    forms = ["base", "base", "base+index"]
    if vsib:
        forms = ["base+index", "base+index", "index"]
    else:
        forms.append("index")
        if place.width == 32 or place.offset(target, override or "ds") < 1 << 31:
            forms.append("absolute")
        if place.bits == 64:
            forms.append("rip")
    form = place.chooser.pick(forms)
    registers = place.registers()
    wide = place.width // 8
    if form == "rip":
        instruction.memory_base = Register.RIP if place.width == 64 else Register.EIP
        instruction.memory_displ_size = wide
        instruction.memory_displacement = place.offset(target, override or "ds")
        return
    if form == "absolute":
        instruction.memory_displ_size = wide
        instruction.memory_displacement = place.offset(target, override or "ds")
        return
    base = place.chooser.pick(registers) if form != "index" else Register.NONE
    segment = override or ("ss" if base in registers[4:6] else "ds")
    wanted = place.offset(target, segment)
    if form == "base":
        instruction.memory_base = base
        place.set_address_register(base, wanted - _displacement(place, instruction, wide))
        return
    instruction.memory_base = base
    scale = instruction.memory_index_scale = place.chooser.pick((1, 2, 4, 8))
    if vsib:
        limit = 8 if place.bits != 64 else 32 if instruction.op_code().encoding == EncodingKind.EVEX else 16
        instruction.memory_index = place.chooser.pick(FILES[vsib][:limit])
        if base == Register.NONE:
            instruction.memory_displ_size = wide
            instruction.memory_displacement = wanted if wanted < 1 << 31 or place.width == 32 else 0
        else:
            place.set_address_register(base, wanted - _displacement(place, instruction, wide))
        return
    index = instruction.memory_index = place.chooser.pick([r for r in registers if r not in (base, registers[4])])
    if base == Register.NONE:  # no base, always a full displacement: the index is what is left of the way
        instruction.memory_displ_size = wide
        remainder = wanted % scale
        displacement = instruction.memory_displacement = remainder
        place.set_address_register(index, (wanted - displacement) // scale)
        return
    value = place.value(index)
    place.set_address_register(base, wanted - value * scale - _displacement(place, instruction, wide))


def _displacement(place: Place, instruction: Instruction, wide: int) -> int:
    """Pick no displacement, one of a byte, or a full one; `wide` is the address size in bytes."""
    size = place.chooser.pick((0, 1, wide))
    instruction.memory_displ_size = size
    if size == 0:
        return 0
    reach = 1 << 8 * min(size, 4) - 1
    value = place.chooser.integer(-reach, reach - 1)
    instruction.memory_displacement = value & (1 << 8 * wide) - 1
    return value
