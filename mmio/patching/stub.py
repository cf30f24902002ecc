"""Generate the code that a patched instruction jumps to: it checks the address, and calls the handler or the device.

A stub is a *slot* of 128 bytes in an arena of code, and 128 bytes of words as far behind as the arena has code. Its
words say which addresses the handler is called for, so opening and closing a mapping writes words and no code. The
offsets of the copy, of the miss, and of the place behind the call are known to the trampoline
(`mmio/linux/trampoline.py`).

The stub of a plain load or store (`direct.py`) has the CPU execute the instruction with its operand on the stack: after
the value has been read, or before it is written. The stub of a hosted program's store does that when it is told to, for
the program's stack is not to be changed before that is known to be possible.

An operand of up to eight bytes is where RAX is kept, or pushed. A wider one has a place of 64 bytes: in this process
above the return address, as a signal handler keeps its distance from what is below; for hosted programs below all that
the machine code keeps on the program's stack, where no signal handler comes before the thread is out of the stub.
"""

import struct
from typing import Final

from decode import Instruction, PortOperand
from decode.load_address import load_address
from mmio.patching.direct import Plain

SLOT: Final = 128
"""Bytes of a slot, and of its words."""
CODE: Final = 0x10000
"""Bytes of code in an arena; as many of words follow."""
COPY: Final = 98
"""Where in a slot the copy of the instruction is."""
BEHIND: Final = 14
"""How far behind the return address of a load's call the value is taken from the stack, and where a store's value is
stored when that comes later."""
LONGEST: Final = 15
"""Bytes of the longest instruction."""

PLACE: Final = 64
"""Bytes of the place of a wide operand."""
LOADED_BELOW: Final = 192
"""How far below the stack pointer a hosted program's load takes a wide value."""
STORED_BELOW: Final = 112
"""How far below the stack pointer a hosted program's store has a wide value stored: at the same place."""

START, LAST, FUNCTION, SITE, NEXT, BYTES, ERROR_CODE, CALLS, DIRECT, HOLD, CAUSE, EXCEPTION, STORED, LOWER = range(14)
"""Words of a stub: the first and the last address of an operand that the handler is called for, the address of the
function that calls it, the addresses of the instruction and of the next one, the instruction's first eight bytes, the
error code of its fault, how often the handler has been called, the address of the block of a direct call, 0 while there
is none, whether signals are blocked during one, the fault's si_code and exception number, and where a plain store
continues when its value is stored, 0 where it is stored before the call; and how much lower on a hosted program's stack
a wide value is. For a port instruction the port counts as the address."""
WORDS: Final = 14

NOWHERE: Final = ((1 << 64) - 1, 0)
"""START and LAST when the handler is called for no address."""

GENERAL_PROTECTION: Final = 13
"""Number of the exception that IN and OUT raise."""

_ACCERR: Final = 2  # SEGV_ACCERR
_KERNEL: Final = 0x80  # SI_KERNEL
_PAGE_FAULT: Final = 14
_PUSHED: Final = 128 + 8 + 8  # the red zone, the flags, rax
_MISS: Final = COPY - 10
_NOPS: Final = {
    length: bytes.fromhex(code)
    for length, code in enumerate(
        (
            "",
            "90",
            "6690",
            "0f1f00",
            "0f1f4000",
            "0f1f440000",
            "660f1f440000",
            "0f1f8000000000",
            "0f1f840000000000",
            "660f1f840000000000",
        )
    )
}
_ENTER: Final = bytes.fromhex("488d642480 9c 50")  # lea rsp,[rsp-80h]; pushfq; push rax
_LEAVE: Final = bytes.fromhex("9d 488da42480000000")  # popfq; lea rsp,[rsp+80h]
_POP: Final = b"\x58"  # rax
_TAKE_FLAGS: Final = bytes.fromhex("ff742408 9d")  # push [rsp+8]; popfq
_DROP: Final = bytes.fromhex("488da42490000000")  # lea rsp,[rsp+90h]: the value, the flags, the red zone
_PREPARE_STORE: Final = bytes.fromhex("50 488b442408 ff742410 9d")
# push rax; mov rax,[rsp+8]; push [rsp+10h]; popfq: the address is kept
_PUSH_PLACE: Final = b"\x50"  # push rax, the place of the value
_MAKE_PLACE: Final = bytes.fromhex("488d6424c0")  # lea rsp,[rsp-40h]
_TAKE_FLAGS_ABOVE: Final = bytes.fromhex("ff742448 9d")  # push [rsp+48h]; popfq
_DROP_PLACE: Final = bytes.fromhex("488da424d0000000")  # lea rsp,[rsp+0D0h]


def words(function: int, site: int, instruction: Instruction, writes: bool) -> list[int]:
    """Return the words of a stub that calls the handler for no address yet.

    Args:
        function: the address of what calls the handler.
        site: the address of the instruction.
        instruction: which one.
        writes: whether its page fault would be one of a write.
    """
    first = int.from_bytes(instruction.code[:8].ljust(8, b"\x90"), "little")
    known = [*NOWHERE, function, site, site + instruction.length, first]
    if port_of(instruction) is not None:
        return [*known, 0, 0, 0, 1, _KERNEL, GENERAL_PROTECTION]
    error = 4 | 2 * writes  # of user code (SDM vol. 3, 4.7)
    return [*known, error, 0, 0, 1, _ACCERR, _PAGE_FAULT]


def port_of(instruction: Instruction) -> PortOperand | None:
    """Return the operand of IN or OUT; None for other instructions."""
    if instruction.string or len(instruction.accesses) != 1:
        return None
    operand = instruction.accesses[0].operand
    return operand if isinstance(operand, PortOperand) else None


def _load_port(port: PortOperand) -> bytes:
    """Return the code that puts the number of a port into RAX."""
    if port.register:
        return bytes.fromhex("0fb7c2")  # movzx eax,dx
    return b"\xb8" + port.number.to_bytes(4, "little")  # mov eax,...


def code(
    slot: int,
    site: int,
    instruction: Instruction,
    plain: Plain | None = None,
    followers: bytes = b"",
    *,
    stored_later: bool = False,
) -> bytes:
    """Return the code of a stub in a slot, for an instruction at a site within 2 GiB of it.

    Args:
        slot: its address.
        site: the address of the instruction.
        instruction: which one.
        plain: how it is executed with its operand on the stack, if it is called directly.
        followers: the instructions behind it that its jump stands over (`followers.py`). They follow its copy.
        stored_later: the function called has a store's value stored, where it wants it, and wide values are below.

    Raises:
        ValueError: the instruction's operand is not addressed by general registers alone.
    """
    end = site + instruction.length + len(followers)
    after = slot + COPY + instruction.length if followers else end
    made = bytearray()

    def relative(opcode: str, target: int) -> None:
        made.extend(bytes.fromhex(opcode))
        made.extend(struct.pack("<i", target - (slot + len(made) + 4)))

    def short(opcode: str, target: int) -> None:
        made.extend(bytes.fromhex(opcode))
        made.extend(struct.pack("<b", target - (len(made) + 1)))

    def word(index: int) -> int:
        return slot + CODE + 8 * index

    def pad(end: int) -> None:
        while len(made) < end:
            made.extend(_NOPS[min(end - len(made), 9)])

    port = port_of(instruction)
    made += _ENTER + (load_address(instruction, _PUSHED) if port is None else _load_port(port))
    pad(16)
    relative("483b05", word(START))  # cmp rax,[…]
    short("72", _MISS)  # jb
    relative("483b05", word(LAST))
    short("77", _MISS)  # ja
    roomy = plain is not None and plain.wide and not stored_later  # it has a place for a wide value on the stack
    if plain is not None and plain.stores and not stored_later:
        made += _PREPARE_STORE + (_MAKE_PLACE if roomy else _PUSH_PLACE) + plain.code
    elif roomy:
        made += _MAKE_PLACE
    relative("ff15", word(FUNCTION))  # call [...], which returns with rax restored and taken from the stack
    made += _LEAVE
    relative("e9", after)
    if plain is not None and not plain.stores:
        made += _TAKE_FLAGS_ABOVE + plain.code + _DROP_PLACE if roomy else _TAKE_FLAGS + plain.code + _DROP
        relative("e9", after)
    elif plain is not None and stored_later:
        made += plain.code
        relative("ff25", word(STORED))  # jmp [...]
    pad(_MISS)
    made += _POP + _LEAVE + instruction.code + followers
    relative("e9", end)
    return bytes(made)
