"""PUSH POP PUSHA POPA PUSHF POPF ENTER LEAVE.

The stack pointer is SP, ESP or RSP by the mode, whatever the operand size (the mode stands here for the B flag of SS,
SDM vol. 1, 6.2.3). A `Stack` is what one instruction does with it: every push and pop is one access at a fixed distance
from where the pointer was, and the pointer moves once, at the end, so that a fault half-way leaves it alone.
"""

from typing import Final

from decode.operands import READ_WRITE, ImmediateOperand, MemoryOperand, RegisterOperand
from decode.registers import GENERAL, REGISTERS, SEGMENT, Register
from emulate.builder import Builder
from emulate.families.segments import load_segment
from emulate.flags import AC, DF, ID, IF, IOPL, NT, RESERVED_ONE, RF, STATUS, TF, VM
from emulate.recipes import recipe

_POINTERS: Final = {16: "sp", 32: "esp", 64: "rsp"}
_FRAMES: Final = {16: "bp", 32: "ebp", 64: "rbp"}
_GENERAL: Final = {
    2: ("ax", "cx", "dx", "bx", "sp", "bp", "si", "di"),
    4: ("eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"),
}
_POINTER_INDEX: Final = 4
_SIZES: Final = {"w": 2, "d": 4, "q": 8}


class Stack:
    """Pushes and pops of one instruction.

    Args:
        b: the instruction's builder.
        base: the register that holds the top of the stack, when not the stack pointer itself: LEAVE.
    """

    def __init__(self, b: Builder, base: str = "") -> None:
        self.pointer = REGISTERS[_POINTERS[b.bits]]
        self._b = b
        self._base = REGISTERS[base] if base else self.pointer
        self._moved = 0

    def at(self, displacement: int, width: int, base: Register | None = None) -> MemoryOperand:
        """Return the operand so many bytes from the old top of the stack, or from another register."""
        base = base or self._base
        return MemoryOperand(base, None, 1, displacement, REGISTERS["ss"], self.pointer.width, width, READ_WRITE)

    def push(self, value: str, width: int, stored: int = 0) -> None:
        """Write a value (an expression) of `width` bytes, or its low `stored` bytes, below what was pushed last."""
        self._moved -= width
        self._b.write(self.at(self._moved, stored or width), value)

    def pop(self, width: int, used: int = 0) -> str:
        """Read the next `width` bytes, or their low `used` bytes, and return the name of their value."""
        value = self._b.read(self.at(self._moved, used or width))
        self._moved += width
        return value

    def skip(self, width: int) -> None:
        """Move over so many bytes without touching them, down when negative."""
        self._moved += width

    @property
    def top(self) -> str:
        """The expression of the stack pointer as it is now."""
        return f"{self._b.register(self._base)} + {self._b.constant(self._moved, 'moved')} & {self.pointer.mask:#x}"

    def settle(self) -> None:
        """Commit the stack pointer. What an instruction pops into the pointer itself is to be committed after that."""
        self._b.set_register(self.pointer, self.top)


def operand_size(b: Builder) -> int:
    """Return the width of what an instruction without operands pushes or pops, which iced-x86's name of it tells."""
    name = b.instruction.form.split("_")[0]
    return _SIZES[name[-1].lower()]


@recipe("push")
def push(b: Builder) -> None:
    """Push a register, a constant or memory; PUSH SP stores the old pointer, memory is read before the stack."""
    (source,) = b.instruction.operands
    stack = Stack(b)
    if isinstance(source, RegisterOperand) and source.register.file == SEGMENT:
        # With 32-bit operands the selector is written and the other two bytes of the slot are left (SDM vol. 2B, PUSH);
        # AMD's CPUs clear them.
        width = operand_size(b)
        stack.push(b.read(source), width, stored=2 if width == 4 and not b.amd else 0)
    else:
        stack.push(b.read(source), source.width)
    stack.settle()


@recipe("pop")
def pop(b: Builder) -> None:
    """Pop into a register or memory; an address made with rSP counts from the moved pointer (SDM vol. 2B, POP)."""
    (destination,) = b.instruction.operands
    stack = Stack(b)
    if isinstance(destination, RegisterOperand) and destination.register.file == SEGMENT:
        value = stack.pop(operand_size(b), used=0 if b.amd else 2)
        stack.settle()
        load_segment(b, destination.register, value)
        return
    if isinstance(destination, MemoryOperand) and _uses_pointer(destination):
        b.address(destination, extra=str(destination.width))
    value = stack.pop(destination.width)
    stack.settle()
    b.write(destination, value)


def _uses_pointer(operand: MemoryOperand) -> bool:
    """Return whether an operand's address is based on the stack pointer."""
    return operand.base is not None and operand.base.file == GENERAL and operand.base.index == _POINTER_INDEX


@recipe("pusha", "pushad")
def push_all(b: Builder) -> None:
    """Push all eight registers, the old stack pointer among them."""
    stack = Stack(b)
    width = 4 if b.instruction.mnemonic == "pushad" else 2
    for name in _GENERAL[width]:
        stack.push(b.register(REGISTERS[name]), width)
    stack.settle()


@recipe("popa", "popad")
def pop_all(b: Builder) -> None:
    """Pop seven registers; what is read from the slot of the stack pointer is not used."""
    stack = Stack(b)
    width = 4 if b.instruction.mnemonic == "popad" else 2
    for name in reversed(_GENERAL[width]):
        register, value = REGISTERS[name], stack.pop(width)
        if register.index != _POINTER_INDEX:
            b.set_register(register, value)
    stack.settle()


_POPPED_BY_USERS: Final = STATUS | TF | DF | NT | AC | ID
"""What POPF changes at privilege level 3; real mode adds IF and IOPL (SDM vol. 2B, POPF/POPFD/POPFQ)."""


@recipe("pushf", "pushfd", "pushfq")
def push_flags(b: Builder) -> None:
    """Push the flags; VM and RF are cleared in the image."""
    stack = Stack(b)
    width = operand_size(b)
    stack.push(f"{b.flags} & {(1 << 8 * width) - 1 & ~(VM | RF):#x}", width)
    stack.settle()


@recipe("popf", "popfd", "popfq")
def pop_flags(b: Builder) -> None:
    """Pop the flags, as much of them as the privilege level allows; RF is cleared."""
    stack = Stack(b)
    width = operand_size(b)
    b.set_flags(b.call(popped_flags, stack.pop(width), b.flags, width, "cpu.protected"))
    stack.settle()


def popped_flags(image: int, flags: int, width: int, protected: bool) -> int:
    """Return the flags after popping `image`, in protected mode as a user program at privilege level 3."""
    changed = _POPPED_BY_USERS if protected else _POPPED_BY_USERS | IF | IOPL
    changed &= (1 << 8 * width) - 1
    return flags & ~(changed | (RF if width > 2 else 0)) | image & changed | RESERVED_ONE


@recipe("enter")
def enter(b: Builder) -> None:
    """Make a stack frame: push rBP, copy the frame pointers of the levels outside, push the new one, make room.

    The new top has the checks of a write of the operand size. The CPU also probes its page, which no bus can be asked
    to do (SDM vol. 2A, ENTER).
    """
    size, level = (o.value for o in b.instruction.operands if isinstance(o, ImmediateOperand))
    stack, width = Stack(b), operand_size(b)
    frame = REGISTERS[_FRAMES[8 * width]]
    stack.push(b.register(frame), width)
    # The frame pointer gets all of rSP: with 32-bit operands on a 16-bit stack, the half above SP, too.
    whole = REGISTERS[_POINTERS[8 * width]]
    kept = whole.mask & ~stack.pointer.mask
    new_frame = b.local(f"({b.register(whole)} & {kept:#x} | {stack.top}) & {whole.mask:#x}")
    level &= 31
    for outer in range(1, level):
        stack.push(b.read(stack.at(-outer * width, width, REGISTERS[_FRAMES[b.bits]])), width)
    if level:
        stack.push(new_frame, width)
    stack.skip(-size)
    b.place(REGISTERS["ss"], stack.top, width)
    b.set_register(frame, new_frame)
    stack.settle()


@recipe("leave")
def leave(b: Builder) -> None:
    """Undo ENTER: the stack pointer is rBP, from where rBP is popped."""
    width = operand_size(b)
    stack = Stack(b, base=_FRAMES[b.bits])
    value = stack.pop(width)
    stack.settle()
    b.set_register(REGISTERS[_FRAMES[8 * width]], value)
