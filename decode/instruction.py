"""One decoded instruction, as a value.

It does not depend on where it stands or on any register: equal bytes in the same mode are one Instruction, which is
what lets everything derived from it be made once.
"""

from typing import Literal, TypeAlias

from attrs import field, frozen
from iced_x86 import Decoder, Formatter, FormatterSyntax

from decode.operands import Direction, MemoryOperand, Operand, PortOperand
from decode.registers import MMX, VECTOR, Register
from decode.vendors import OPTIONS, Vendor

Selection: TypeAlias = Literal["whole", "masked", "packed", "gather"]
"""Which parts of a memory operand an access touches.

whole: one access of the full width. masked: each element that is selected, one access an element. packed: as many
elements from the start as are selected (compress, expand). gather: each element that is selected, at an address of
its own from a vector index (gather, scatter).
"""


def top_bits(value: int, element: int, count: int) -> int:
    """Return the top bits of the lowest `count` elements of `element` bytes as a mask, bit 0 for the lowest."""
    bits = 8 * element
    return sum((value >> bits * (i + 1) - 1 & 1) << i for i in range(count))


@frozen(slots=True)
class MemoryAccess:
    """One memory access an instruction makes, before registers are known.

    Attributes:
        direction: READ, WRITE, or READ_WRITE for a read-modify-write (one read, then one write).
        width: bytes of the whole access.
        operand: where.
        element: bytes of one element when `selection` is not "whole", else equal to `width`.
        selection: which elements are touched.
        selector: the register that selects them, if any: an opmask by its bits, a vector by its elements' top bits.
        count: how many elements the selector speaks of; a multiple of `width // element` where a broadcast uses each
            element of memory several times.
        repeats: made once for each iteration of a REP string instruction.
        wraps: the offset of each element wraps at the address size; of others, only that of the whole operand does.
    """

    direction: Direction
    width: int
    operand: MemoryOperand
    element: int
    selection: Selection = "whole"
    selector: Register | None = None
    count: int = 1
    repeats: bool = False
    wraps: bool = False

    def selected(self, value: int) -> int:
        """Return the elements touched when the selector holds `value`: a mask, bit 0 for the lowest element."""
        assert self.selector is not None
        if self.selector.file in (VECTOR, MMX):
            return top_bits(value, self.element, self.count)
        chosen = value & (1 << self.count) - 1
        if self.selection == "packed":
            return (1 << chosen.bit_count()) - 1
        if self.selection == "masked":
            places = self.width // self.element
            while chosen >> places:
                chosen = chosen >> places | chosen & (1 << places) - 1
        return chosen


@frozen(slots=True)
class PortAccess:
    """One port access an instruction makes.

    Attributes:
        direction: READ or WRITE.
        width: in bytes.
        operand: the port.
        repeats: whether a REP prefix repeats it.
    """

    direction: Direction
    width: int
    operand: PortOperand
    repeats: bool = False


Access: TypeAlias = MemoryAccess | PortAccess


@frozen(slots=True)
class Instruction:
    """One x86 instruction.

    Attributes:
        code: its bytes, exactly.
        bits: the mode it was decoded in: 16, 32 or 64.
        mnemonic: lower case, without prefixes: "mov", "movsd".
        form: the encoding's name in iced-x86's `Code`: "MOV_R32_RM32". Unique to an opcode and operand kinds.
        encoding: "legacy", "vex", "evex", "xop" or "3dnow".
        operands: in Intel order, destination first.
        accesses: its memory and port accesses, in architectural order.
        lock: whether it has a LOCK prefix.
        rep: "" or the prefix in force on a string instruction: "rep", "repe", "repne".
        string: "" or the string operation it is: "movs", "stos", "lods", "cmps", "scas", "ins", "outs".
        opmask: the EVEX opmask register, None when unmasked.
        zeroing: EVEX zeroing-masking.
        vendor: the vendor whose CPUs decode the bytes as this instruction; "intel" if all do.
    """

    code: bytes
    bits: int
    mnemonic: str
    form: str
    encoding: str
    operands: tuple[Operand, ...]
    accesses: tuple[Access, ...]
    lock: bool = False
    rep: str = ""
    string: str = ""
    opmask: Register | None = None
    zeroing: bool = False
    vendor: Vendor = "intel"
    length: int = field(init=False)

    @length.default
    def _length(self) -> int:
        return len(self.code)

    @property
    def rounding(self) -> int | None:
        """Embedded rounding control: 0 to nearest, 1 down, 2 up, 3 towards zero; None when MXCSR decides.

        Suppression of all exceptions, which embedded rounding brings with it, alone counts as rounding to nearest.
        """
        instruction = Decoder(self.bits, self.code, options=OPTIONS[self.vendor]).decode()
        if instruction.suppress_all_exceptions:
            return 0
        return instruction.rounding_control - 1 if instruction.rounding_control else None

    def format(self, ip: int = 0) -> str:
        """Return the instruction in Intel syntax, as it reads at address `ip`: 'mov eax,[rdi+10h]'."""
        instruction = Decoder(self.bits, self.code, options=OPTIONS[self.vendor], ip=ip).decode()
        return Formatter(FormatterSyntax.INTEL).format(instruction)

    def __str__(self) -> str:
        return self.format()
