"""Gathers and scatters: one access an element, each at an address of its own.

They are the one vector instruction that can stop half-way: an element that is done is committed and its mask element
cleared, lowest first, so that after a fault the instruction is begun again and continues where it was (SDM vol. 2C,
VPGATHERDD). What a CPU leaves behind at such a fault was looked up on one: destination and mask are cut to the vector
length, the longer one of data and indexes, and the elements of a vector mask are all ones or zero. AMD's CPUs change
by a VEX gather only what belongs to the elements they have got past.
"""

from collections.abc import Callable, Iterator
from typing import Final

from attrs import evolve, frozen

from decode import MemoryAccess
from decode.instruction import top_bits
from decode.operands import MemoryOperand, RegisterOperand
from decode.registers import VECTOR, Register
from decode.resolve import index_width
from emulate import answer
from emulate.address import linear
from emulate.builder import Builder
from emulate.bus import Bus
from emulate.cpu import RegisterFile
from emulate.masking import spread
from emulate.recipes import recipe

# Index width, then what the data are.
_FLOATS: Final = ("dps", "dpd", "qps", "qpd")
_INTEGERS: Final = ("dd", "dq", "qd", "qq")


@frozen(slots=True)
class Elements:
    """Run-time parameters of a gather or scatter.

    Attributes:
        access: the elements, and the register that selects them.
        operand: where they are.
        index: the vector of indexes.
        index_width: bytes of one index.
        data: the destination of a gather, the source of a scatter.
        length: bytes of the vector length.
        cut: before the first access, a vector mask becomes all ones or zero in each element, and with the first element
            the destination ends at the vector length.
    """

    access: MemoryAccess
    operand: MemoryOperand
    index: Register
    index_width: int
    data: Register
    length: int
    cut: bool

    def places(self, cpu: RegisterFile, base: int) -> Iterator[tuple[int, int]]:
        """Yield bit position and linear address of each selected element; clear its mask element when it is done."""
        selector, width = self.access.selector, self.access.element
        assert selector is not None
        masks = cpu.vector if selector.file == VECTOR else cpu.k
        selected = self.access.selected(masks[selector.index])
        step = 1
        if selector.file == VECTOR:
            if self.cut:
                masks[selector.index] = spread(top_bits(masks[selector.index], width, self.length // width), width)
            step = 8 * width
        bits = 8 * self.index_width
        indexes = cpu.vector[self.index.index]
        reach = (1 << 8 * self.operand.address_width) - 1
        for element in range(self.access.count):
            if selected >> element & 1:
                index = indexes >> bits * element & (1 << bits) - 1
                index -= (index >> bits - 1) << bits
                offset = base + index * self.operand.scale & reach
                yield 8 * width * element, linear(cpu, self.operand.segment, offset, width)
            masks[selector.index] &= ~(((1 << step) - 1) << step * element)
        masks[selector.index] = 0


@recipe(*(f"vgather{kind}" for kind in _FLOATS), *(f"vpgather{kind}" for kind in _INTEGERS))
def build_gather(b: Builder) -> None:
    """Read each selected element into its place in the destination, which keeps the others."""
    _build(b, gather)


@recipe(*(f"vscatter{kind}" for kind in _FLOATS), *(f"vpscatter{kind}" for kind in _INTEGERS))
def build_scatter(b: Builder) -> None:
    """Write each selected element of the source."""
    _build(b, scatter)


def _build(b: Builder, run: Callable[..., None]) -> None:
    """Build the call that does it all; only the base address is computed before."""
    access = b.instruction.accesses[0]
    assert isinstance(access, MemoryAccess)
    operand = access.operand
    assert operand.index is not None
    data = next(o for o in b.instruction.operands if isinstance(o, RegisterOperand))
    length = max(data.width, operand.index.width)
    cut = not b.amd or b.instruction.encoding == "evex"
    elements = Elements(access, operand, operand.index, index_width(b.instruction), data.register, length, cut)
    base = b.effective_address(evolve(operand, index=None))
    b.act(b.call(run, "cpu", "bus", base, b.bind(elements, "elements")))


def gather(cpu: RegisterFile, bus: Bus, base: int, elements: Elements) -> None:
    """Do a gather."""
    data, width = elements.data, elements.access.element
    ones, kept = (1 << 8 * width) - 1, (1 << 8 * elements.length) - 1 if elements.cut else -1
    for shift, address in elements.places(cpu, base):
        value = answer.read(bus, address, width)
        cpu.vector[data.index] = cpu.vector[data.index] & kept & ~(ones << shift) | value << shift
    cpu.vector[data.index] &= (1 << 8 * width * elements.access.count) - 1


def scatter(cpu: RegisterFile, bus: Bus, base: int, elements: Elements) -> None:
    """Do a scatter."""
    data, width = elements.data, elements.access.element
    ones = (1 << 8 * width) - 1
    for shift, address in elements.places(cpu, base):
        bus.write(address, width, cpu.vector[data.index] >> shift & ones)
