"""What each iced-x86 `Code` takes as operands, turned from its operand kinds into something to choose from.

The kinds carry their meaning in their names: `R32_OR_MEM` is a 32-bit register or memory, `XMM_VVVV` a vector register.
So the table is read off the names, and a kind that the names do not explain is listed as one that no case is made for.
"""

from __future__ import annotations

import functools
import re
from typing import Literal

import attrs
from iced_x86 import (
    Code,
    Code_,
    EncodingKind,
    Mnemonic,
    OpCodeInfo,
    OpCodeOperandKind,
    OpKind,
    OpKind_,
    Register,
    Register_,
)

from decode import Vendor

SlotKind = Literal[
    "register", "fixed", "immediate", "memory", "register or memory", "moffs", "vsib", "string", "branch", "pointer"
]

_ENUMERATION = {
    enumeration: {value: name for name, value in vars(enumeration).items() if isinstance(value, int)}
    for enumeration in (Mnemonic, OpCodeOperandKind)
}
CODE_NAMES: dict[Code_, str] = {value: name for name, value in vars(Code).items() if name.isupper()}
_MNEMONICS = _ENUMERATION[Mnemonic]
_KIND_NAMES = _ENUMERATION[OpCodeOperandKind]
_REGISTERS: dict[str, Register_] = {name: value for name, value in vars(Register).items() if name.isupper()}


def _numbered(pattern: str, first: str = "", count: int = 16) -> tuple[Register_, ...]:
    """Registers by name: those in `first`, then the pattern's up to number `count` - 1."""
    names = [*first.split(), *(pattern.format(i) for i in range(len(first.split()), count))]
    return tuple(_REGISTERS[name] for name in names)


FILES: dict[str, tuple[Register_, ...]] = {
    "R8": _numbered("R{}L", "AL CL DL BL SPL BPL SIL DIL"),
    "R16": _numbered("R{}W", "AX CX DX BX SP BP SI DI"),
    "R32": _numbered("R{}D", "EAX ECX EDX EBX ESP EBP ESI EDI"),
    "R64": _numbered("R{}", "RAX RCX RDX RBX RSP RBP RSI RDI"),
    "XMM": _numbered("XMM{}", count=32),
    "YMM": _numbered("YMM{}", count=32),
    "ZMM": _numbered("ZMM{}", count=32),
    "MM": _numbered("MM{}", count=8),
    "K": _numbered("K{}", count=8),
    "STI": _numbered("ST{}", count=8),
}
HIGH_BYTES = tuple(_REGISTERS[name] for name in ("AL", "CL", "DL", "BL", "AH", "CH", "DH", "BH"))

_IMMEDIATES = {
    "IMM8": (OpKind.IMMEDIATE8, 8),
    "IMM16": (OpKind.IMMEDIATE16, 16),
    "IMM32": (OpKind.IMMEDIATE32, 32),
    "IMM64": (OpKind.IMMEDIATE64, 64),
    "IMM8SEX16": (OpKind.IMMEDIATE8TO16, 8),
    "IMM8SEX32": (OpKind.IMMEDIATE8TO32, 8),
    "IMM8SEX64": (OpKind.IMMEDIATE8TO64, 8),
    "IMM32SEX64": (OpKind.IMMEDIATE32TO64, 32),
    "IMM4_M2Z": (OpKind.IMMEDIATE8, 4),
}
_BRANCHES = {"BR16": OpKind.NEAR_BRANCH16, "BR32": OpKind.NEAR_BRANCH32, "BR64": OpKind.NEAR_BRANCH64}
_FIXED = ("AL", "AX", "EAX", "RAX", "CL", "DX", "ST0")
_STRINGS = {"SEG_RSI": "SI", "ES_RDI": "ESDI", "SEG_RDI": "DI"}


# Their bytes are another instruction's unless the decoder is told to be another maker's CPU.
_SHADOWED = ("UD0", "MONTMUL_64", "MONTMUL_32", "MONTMUL_16", "RESERVEDNOP_RM16_R16_0F0D", "RESERVEDNOP_RM32_R32_0F0D")
# They load a segment register; descriptors are not part of a case.
_SELECTOR_LOADS = ("JMP_M16", "CALL_M16", "RETF", "IRET", "LDS_", "LES_", "LSS_", "LFS_", "LGS_")


class Unbuildable(Exception):
    """Tell that no case can be made for an instruction form, or could not this time, and why."""


@attrs.frozen
class Slot:
    """One operand of a form.

    `file` names the registers to choose from; `op_kind` and `width` (bits) are those of an immediate or branch, and
    `register` is the one of a fixed operand.
    """

    kind: SlotKind
    file: str = ""
    op_kind: OpKind_ = OpKind.REGISTER
    width: int = 0
    register: Register_ = Register.NONE


@functools.cache
def slots(code: Code_) -> tuple[Slot, ...]:
    """Return the operands of a code.

    Raises:
        Unbuildable: It has an operand that is not part of a case, such as a segment or a control register.
    """
    return tuple(_slot(_KIND_NAMES[kind], code) for kind in OpCodeInfo(code).op_kinds())


def _slot(kind: str, code: Code_) -> Slot:
    if kind in _IMMEDIATES:
        op_kind, width = _IMMEDIATES[kind]
        return Slot("immediate", op_kind=op_kind, width=width)
    if kind == "IMM8_CONST_1":
        return Slot("immediate", op_kind=OpKind.IMMEDIATE8, width=0)
    if kind in _FIXED:
        return Slot("fixed", register=_REGISTERS[kind])
    if kind in _STRINGS:
        return Slot("string", file=_STRINGS[kind])
    if kind == "MEM":
        return Slot("memory")
    if kind == "SEG_RBX_AL":
        return Slot("memory", file="XLAT")
    if kind == "MEM_OFFS":
        return Slot("moffs")
    if match := re.fullmatch(r"MEM_VSIB(32|64)([XYZ])", kind):
        return Slot("vsib", file=f"{match[2]}MM", width=int(match[1]))
    if match := re.fullmatch(r"(BR\d\d)_\d", kind):
        return Slot("branch", op_kind=_BRANCHES[match[1]])
    if match := re.fullmatch(r"(R\d\d)_REG_MEM", kind):
        return Slot("pointer", file=match[1])
    if match := re.fullmatch(r"([A-Z]+\d*)_OR_MEM", kind):
        return Slot("register or memory", file=match[1])
    if (match := re.fullmatch(r"([A-Z]+\d*)_(REG|RM|VVVV|OPCODE|IS4|IS5)", kind)) and match[1] in FILES:
        return Slot("register", file=match[1])
    raise Unbuildable(f"{CODE_NAMES[code]}: operands of kind {kind} are not part of a case")


def buildable(code: Code_, bits: int, vendor: Vendor = "intel", *, loads_segments: bool = False) -> bool:
    """Tell whether cases can be made for a code in a mode: it exists there, for user programs, in all its operands.

    Those that load a segment register come only when asked for: they end well only with descriptors to load.
    """
    info = OpCodeInfo(code)
    if (
        not getattr(info, f"{vendor}_decoder{bits}")
        or not info.is_instruction
        or not info.is_available_in_mode(bits)
        or info.must_be_cpl0
        or not info.cpl3
    ):
        return False
    if info.decoder_option or info.encoding == EncodingKind.MVEX or info.fwait:
        return False  # other makers' CPUs; Knights Corner; two instructions that iced-x86 takes for one
    if CODE_NAMES[code] in _SHADOWED or (CODE_NAMES[code].startswith(_SELECTOR_LOADS) and not loads_segments):
        return False
    try:
        slots(code)
    except Unbuildable:
        return False
    return True


@functools.cache
def all_codes(bits: int, vendor: Vendor = "intel") -> list[Code_]:
    """Return every code that cases can be made for in a mode of a vendor's CPUs."""
    return [code for code in CODE_NAMES if buildable(code, bits, vendor)]


def operation(code: Code_) -> str:
    """Return a code's mnemonic in lower case; a string instruction's without its width: "movs"."""
    mnemonic = _MNEMONICS[OpCodeInfo(code).mnemonic].lower()
    if any(slot.kind == "string" for slot in slots(code)) and not mnemonic.startswith(("mask", "vmask")):
        return mnemonic[:-1]
    return mnemonic


@functools.cache
def codes_by_operation(bits: int, vendor: Vendor = "intel") -> dict[str, list[Code_]]:
    """Return every code that cases can be made for in a mode of a vendor's CPUs, by operation."""
    found: dict[str, list[Code_]] = {}
    for code in all_codes(bits, vendor):
        found.setdefault(operation(code), []).append(code)
    return found
