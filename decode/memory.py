"""Memory and port accesses of an instruction, explicit and implicit, in architectural order.

iced-x86 says nothing of the memory of CLZERO, calls what UMONITOR and CLFLUSH name a read, and describes the stack
accesses of Intel's CPUs.
"""

from typing import Final

from attrs import evolve
from iced_x86 import CodeSize, Decoder, InstructionInfo, MemorySizeExt, UsedMemory
from iced_x86 import Instruction as IcedInstruction
from iced_x86 import Register as IcedRegister

from decode.iced import ADDRESS_WIDTHS, DIRECTIONS, FORMS, ICED_REGISTERS, signed
from decode.instruction import Access, Instruction, MemoryAccess, PortAccess
from decode.operands import NONE, READ, WRITE, Direction, MemoryOperand, Operand, PortOperand, RegisterOperand
from decode.registers import REGISTERS, SEGMENT, Register
from decode.selection import explicit_access
from decode.vendors import Vendor

UNTOUCHED: Final = ("clflush", "clflushopt", "clwb", "umonitor")
"""They take a line by its address and move no data, which iced-x86 calls a read."""
LINE: Final = 64
"""Bytes of a cache line."""
MONITORS: Final = ("umonitor", "monitorx")
"""They watch a line, for which the CPU makes the checks of a load."""
_ACCUMULATORS: Final = {"W": IcedRegister.AX, "D": IcedRegister.EAX, "Q": IcedRegister.RAX}
_SP_SLOT: Final = 3  # of the eight that POPA pops


def accesses_of(
    raw: IcedInstruction,
    info: InstructionInfo,
    mnemonic: str,
    operands: tuple[Operand, ...],
    opmask: Register | None,
    string: str,
    repeats: bool,
    vendor: Vendor,
) -> tuple[Access, ...]:
    """Return what the instruction touches, in architectural order."""
    explicit = next((o for o in operands if isinstance(o, MemoryOperand) and o.direction), None)
    found: list[Access] = []
    if string:
        # The one named last comes first: MOVS reads DS:rSI before it writes ES:rDI, and CMPS, which names them the
        # other way round, reads ES:rDI first, as CPUs do (tests/emulate/test_order.py; the manual does not say).
        memories = [o for o in reversed(operands) if isinstance(o, MemoryOperand)]
        found += [MemoryAccess(o.direction, o.width, o, o.width, repeats=repeats) for o in memories]
    elif mnemonic == "clzero":
        line = _implicit_line(raw, LINE, WRITE)
        found.append(MemoryAccess(line.direction, line.width, line, line.width))
    elif mnemonic not in UNTOUCHED:
        for memory in info.used_memory():
            # No instruction touches its operand and other memory in the same direction.
            if explicit and DIRECTIONS[memory.access] == explicit.direction:
                found.append(explicit_access(raw, mnemonic, operands, opmask, explicit, vendor))
            else:
                operand = _implicit_operand(memory, operands, vendor)
                found.append(MemoryAccess(operand.direction, operand.width, operand, operand.width))
        # POP reads the stack before it writes its operand. RETF reads the selector before the offset, and POPA the slot
        # of the stack pointer as well: CPUs of both vendors do (tests/emulate/test_order.py), though the pseudocode of
        # SDM vol. 2B pops the offset first and skips that slot.
        if mnemonic == "pop":
            found.reverse()
        elif mnemonic == "retf":
            offset, selector = found
            found = [_of_selector(selector) if vendor == "intel" else selector, offset]
        elif mnemonic in ("popa", "popad"):
            found.insert(_SP_SLOT, _next(found[_SP_SLOT - 1]))
    for port_operand in operands:
        if isinstance(port_operand, PortOperand):
            port = PortAccess(port_operand.direction, port_operand.width, port_operand, repeats)
            if port.direction == READ:
                found.insert(0, port)
            else:
                found.append(port)
    return tuple(found)


def monitored(instruction: Instruction) -> MemoryOperand | None:
    """Return the operand whose line UMONITOR or MONITORX watches, of any other instruction None.

    It names a register or nothing, and nothing is moved; the segment is DS unless overridden (SDM vol. 2B, UMONITOR;
    APM vol. 3, MONITORX).
    """
    if instruction.mnemonic not in MONITORS:
        return None
    return _implicit_line(Decoder(instruction.bits, instruction.code).decode(), 1, NONE)


def _implicit_line(raw: IcedInstruction, width: int, direction: Direction) -> MemoryOperand:
    """Return the operand of an instruction whose address is in rAX, or in the one register it names.

    iced-x86 says nothing of CLZERO's, which is the 64-byte line around DS:rAX (APM vol. 3, CLZERO).
    """
    base = ICED_REGISTERS[raw.op0_register if raw.op_count else _ACCUMULATORS[FORMS[raw.code][-1]]]
    segment = ICED_REGISTERS.get(raw.segment_prefix)
    if segment is None or (raw.code_size == CodeSize.CODE64 and segment.index < 4):
        segment = REGISTERS["ds"]
    return MemoryOperand(base, None, 1, 0, segment, base.width, width, direction)


def _of_selector(access: Access) -> MemoryAccess:
    """Return the access to the selector in a slot of the stack, the low two bytes."""
    assert isinstance(access, MemoryAccess)
    return evolve(access, width=2, operand=evolve(access.operand, width=2))


def _next(access: Access) -> MemoryAccess:
    """Return the access to the memory after that of another one."""
    assert isinstance(access, MemoryAccess)
    operand = evolve(access.operand, displacement=access.operand.displacement + access.width)
    return evolve(access, operand=operand)


def _implicit_operand(memory: UsedMemory, operands: tuple[Operand, ...], vendor: Vendor) -> MemoryOperand:
    """Return an operand for memory an instruction touches without naming it, such as the stack."""
    address_width = ADDRESS_WIDTHS[memory.address_size]
    width = MemorySizeExt.size(memory.memory_size)
    segments = [o for o in operands if isinstance(o, RegisterOperand) and o.register.file == SEGMENT]
    if vendor == "intel" and segments and (width == 4 or segments[0].direction == WRITE):
        # PUSH of a selector leaves the upper half of its slot of 4 bytes (SDM vol. 2B, PUSH: recent CPUs). POP reads
        # two bytes of a slot of any size (tests/emulate/test_order.py). AMD's CPUs access the whole slot.
        width = 2
    return MemoryOperand(
        ICED_REGISTERS.get(memory.base),
        ICED_REGISTERS.get(memory.index),
        memory.scale,
        signed(memory.displacement, address_width),
        ICED_REGISTERS[memory.segment],
        address_width,
        width,
        DIRECTIONS[memory.access],
    )
