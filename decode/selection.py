"""Select the parts of its memory operand that a masked instruction accesses.

Most EVEX instructions touch the elements whose opmask bit is set and no others, faults included ("fault suppression",
SDM vol. 2A, 2.8). Some do not pair elements of memory with bits of the opmask (shuffles, packs, inserts) and read the
whole operand. The manual gives the one or the other as an exception class with each instruction; the table of the
latter here was checked against a CPU, form by form, with every masked-off element on a page that is not there.
"""

from typing import Final

from iced_x86 import Instruction as IcedInstruction
from iced_x86 import MemorySizeExt, OpCodeInfo

from decode.instruction import MemoryAccess
from decode.operands import MemoryOperand, Operand, RegisterOperand
from decode.registers import Register
from decode.vendors import Vendor

_WHOLE: Final = (
    *("valign", "vcvtne2", "vdbpsadbw", "vgf2p8affine", "vinsert", "vmovddup", "vmovshdup", "vmovsldup", "vpack"),
    *("vpalignr", "vpconflict", "vperm", "vpmaddubsw", "vpmaddwd", "vpmultishift", "vpshufb", "vpshufd", "vpshufhw"),
    *("vpshuflw", "vpunpck", "vshuf", "vunpck"),
)
"""Beginnings of the mnemonics read whole whatever the opmask says: the exception classes whose names end in NF."""

_PAIRED: Final = frozenset(("vpshufbitqmb",))
"""An exception to `_WHOLE`."""

_SHIFTS: Final = frozenset(f"vps{way}{element}" for way in ("ll", "rl", "ra") for element in "wdq")
"""Read their count whole, when it is the operand in memory, as `_WHOLE` does."""

_ONE_BIT: Final = frozenset(("vfmaddcsh", "vfcmaddcsh", "vfmulcsh", "vfcmulcsh", "v4fmaddss", "v4fnmaddss"))
"""Several numbers in memory, one element to the opmask."""

_SIXTEEN_BITS: Final = frozenset(("v4fmaddps", "v4fnmaddps", "vp4dpwssd", "vp4dpwssds"))
"""16 bytes of memory, read whole if any of sixteen opmask bits is set."""


def explicit_access(
    raw: IcedInstruction,
    mnemonic: str,
    operands: tuple[Operand, ...],
    opmask: Register | None,
    operand: MemoryOperand,
    vendor: Vendor,
) -> MemoryAccess:
    """Return the access to the operand an instruction names, with the elements it is made of."""
    width = operand.width
    element = MemorySizeExt.element_size(raw.memory_size)
    if raw.is_vsib:
        assert operand.index is not None
        data = next(o for o in operands if isinstance(o, RegisterOperand))
        indexes = operand.index.width // (8 if raw.is_vsib64 else 4)
        selector = opmask or _register(operands[-1])
        count = min(data.width // width, indexes)
        return MemoryAccess(operand.direction, width, operand, width, "gather", selector, count)
    if mnemonic in ("maskmovq", "maskmovdqu", "vmaskmovdqu"):
        return MemoryAccess(operand.direction, width, operand, 1, "masked", _register(operands[2]), width)
    if mnemonic.startswith(("vmaskmov", "vpmaskmov")):
        mask, wraps = _register(operands[1]), vendor == "amd" and operand.address_width == 2
        return MemoryAccess(operand.direction, width, operand, element, "masked", mask, width // element, wraps=wraps)
    unpaired = mnemonic.startswith(_WHOLE) and mnemonic not in _PAIRED
    if opmask is None or unpaired or (mnemonic in _SHIFTS and operands[-1] is operand):
        return MemoryAccess(operand.direction, width, operand, width)
    if mnemonic.startswith(("vcompress", "vpcompress", "vexpand", "vpexpand")):
        return MemoryAccess(operand.direction, width, operand, element, "packed", opmask, width // element)
    opcode = OpCodeInfo(raw.code)
    if opcode.can_broadcast:
        # VPMULDQ and VPDPBUSD have shorter elements in memory than the opmask, and the broadcast, have.
        element = MemorySizeExt.element_size(opcode.broadcast_memory_size)
    count = MemorySizeExt.size(opcode.memory_size) // element
    if mnemonic.startswith(("vbroadcast", "vpbroadcast")):
        count = operands[0].width // element
    elif mnemonic in _ONE_BIT or mnemonic in _SIXTEEN_BITS:
        element, count = width, 1 if mnemonic in _ONE_BIT else 16
    return MemoryAccess(operand.direction, width, operand, element, "masked", opmask, count)


def _register(operand: Operand) -> Register:
    """Return the register of a mask operand."""
    assert isinstance(operand, RegisterOperand)
    return operand.register
