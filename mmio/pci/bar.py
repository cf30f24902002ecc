"""Base address registers: the size a function requests, the register, and the device behind it.

Software finds out the size of a region by writing ones: the address bits below the size cannot be set, so the lowest
one that reads back as one is the size (PCI Local Bus Specification 3.0, 6.2.5.1). The registers are declared so:
ADDRESS is a field of the bits that can be set, and all others are only read.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, Literal, TypeAlias, get_args

from attrs import Attribute, field, frozen

from decode import Direction
from mmio.arguments import flag, integer, one_of, shortened, text
from mmio.device.declared import Declared
from mmio.device.device import Device
from mmio.device.field import Field, bit
from mmio.device.field import field as bits
from mmio.device.register import register
from mmio.device.timed import Fronting
from mmio.errors import NoRegister
from mmio.space.region import answering

Kind: TypeAlias = Literal["memory", "io"]

BARS: Final = 6
BAR_OFFSET: Final = 0x10
ROM_OFFSET: Final = 0x30
LEAST: Final[dict[Kind, int]] = {"memory": 16, "io": 4}  # the bits below say what the register is
MOST_IO: Final = 256  # 6.2.5.1: no more a register
_TYPES: Final = {0: "32BIT", 2: "64BIT"}
_ONES: Final = (1 << 32) - 1


def _device(bar: "Bar", attribute: "Attribute[Any]", value: Any) -> None:
    if value is not None:
        answering(value)


@frozen(eq=False)
class Bar:
    """A region of a function: a device, and how it is asked for in a base address register.

    Args:
        index: of the register, from 0; one of 64 bits takes the next, too.
        device: answers in the region, at offsets from its start. None where the function has something of its own
            there, such as the MSI-X table, or nothing.
        size: a power of two, in bytes; the device's length, rounded up, when left out.
        kind: "memory" or "io".
        wide: it takes an address of 64 bits.
        prefetchable: reading has no side effects.
        name: in records; the device's class when left out.

    Raises:
        TypeError: an argument is of a wrong kind.
        ValueError: there is no such register, kind or size.
    """

    index: int
    device: Any = field(default=None, validator=_device)
    size: int = 0
    kind: Kind = "memory"
    wide: bool = False
    prefetchable: bool = False
    name: str | None = None

    def __attrs_post_init__(self) -> None:
        integer("index", self.index, 0, BARS - 1)
        one_of("kind", self.kind, get_args(Kind))
        flag("wide", self.wide)
        flag("prefetchable", self.prefetchable)
        if self.name is not None:
            text("name", self.name)
        if self.kind == "io" and (self.wide or self.prefetchable):
            raise ValueError(f"BAR{self.index} is of IO ports, so it is neither wide nor prefetchable")
        if self.wide and self.index == BARS - 1:
            raise ValueError(f"BAR{self.index} is the last register, and an address of 64 bits takes two")
        object.__setattr__(self, "size", self._size())

    def _size(self) -> int:
        least = LEAST[self.kind]
        most = MOST_IO if self.kind == "io" else 1 << (62 if self.wide else 31)
        if self.size == 0:
            layout = getattr(self.device, "layout", None)
            length = getattr(self.device, "length", None) or getattr(layout, "extent", None)
            if not length:
                what = "no device" if self.device is None else f"{type(self.device).__name__} has no length of its own"
                raise ValueError(f"BAR{self.index} has {what}, so it needs a size: a power of two, {least} or more")
            size = max(least, 1 << (int(length) - 1).bit_length())
        else:
            size = integer("size", self.size)
        if size & (size - 1) or not least <= size <= most:
            expected = f"a power of two in {least:#x}..{most:#x}"
            raise ValueError(f"the size of BAR{self.index}, {self.kind}, is {expected}, not {size:#x}")
        return size

    @property
    def title(self) -> str:
        """The name in records."""
        return self.name or ("BAR" + str(self.index) if self.device is None else type(self.device).__name__)

    @property
    def indices(self) -> range:
        """The registers that it takes."""
        return range(self.index, self.index + 1 + self.wide)

    def registers(self) -> dict[str, Declared[Any]]:
        """Declare the registers, each by its attribute."""
        last = (self.size - 1).bit_length()  # bits that are always zero
        kind: list[Field]
        if self.kind == "io":
            kind = [bit("IO", 0, reset=1)]
        else:
            kind = [
                bit("IO", 0),
                bits("TYPE", 2, 1, enum=_TYPES, reset=2 if self.wide else 0),
                bit("PREFETCH", 3, reset=int(self.prefetchable)),
            ]
        low = kind if last > 31 else [*kind, bits("ADDRESS", 31, last, access="rw")]
        found: dict[str, Declared[Any]] = {
            f"bar{self.index}": register(BAR_OFFSET + 4 * self.index, fields=low, access="r")
        }
        if self.wide:
            high = bits("ADDRESS", 31, max(last - 32, 0), access="rw")
            number = self.index + 1
            found[f"bar{number}"] = register(BAR_OFFSET + 4 * number, fields=[high], access="r")
        return found


def rom_register(size: int) -> Declared[Any]:
    """Declare the register of the expansion ROM (6.2.5.2)."""
    fields = [bit("ENABLE", 0, access="rw"), bits("ADDRESS", 31, (size - 1).bit_length(), access="rw")]
    return register(ROM_OFFSET, fields=fields, access="r", name="ROM")


class Rom:
    """The image of an expansion ROM; what lies behind its end reads as ones, and writes are lost.

    Args:
        image: the bytes.

    Raises:
        TypeError: they are no bytes.
        ValueError: there are none, or more than 16 MiB, the most that a ROM may have.
    """

    def __init__(self, image: bytes) -> None:
        if not isinstance(image, bytes | bytearray | memoryview):
            raise TypeError(f"an expansion ROM is bytes, not {shortened(image)}")
        self.image = bytes(image)
        if not 0 < len(self.image) <= 1 << 24:
            raise ValueError(f"an expansion ROM has 1 to {1 << 24:#x} bytes, not {len(self.image):#x}")
        self.length = max(1 << 11, 1 << (len(self.image) - 1).bit_length())

    def read(self, offset: int, width: int) -> int:
        """Return bytes of the image."""
        return int.from_bytes(self.image[offset : offset + width].ljust(width, b"\xff"), "little")

    def write(self, offset: int, width: int, value: int) -> None:
        """Do nothing."""


@frozen(eq=False)
class Piece:
    """A device in a part of a region: the MSI-X table in a BAR."""

    start: int
    length: int
    device: Any

    def has(self, offset: int) -> bool:
        """Return whether an offset of the region is here."""
        return self.start <= offset < self.start + self.length


def model_of(device: Any) -> Device | None:
    """Return the model in a region, without what was put in front of it, such as faults; None if there is none.

    Args:
        device: what answers in the region.
    """
    while not isinstance(device, Device) and hasattr(device, "device"):
        device = device.device
    return device if isinstance(device, Device) else None


class Window(Fronting):
    """The region behind a base address register, as a device: what an access to it meets.

    While the function decodes no such accesses (COMMAND, or a power state other than D0), reads are ones and writes are
    lost, as on a bus where no device claims the access.

    Args:
        name: of the region, in messages.
        length: in bytes.
        device: answers where no piece does; None for nothing, which reads as zeros.
        pieces: parts of the region with devices of their own.
        decodes: whether the function answers now.
    """

    def __init__(
        self, name: str, length: int, device: Any, pieces: Sequence[Piece], decodes: Callable[[], bool]
    ) -> None:
        self.name = name
        self.length = length
        self.pieces = tuple(pieces)
        self.decodes = decodes
        self.exchange(device)

    def exchange(self, device: Any) -> None:
        """Put a device in the place of the one that answers.

        Args:
            device: the new one, None for nothing.
        """
        self.device = device
        self._whole = Piece(0, self.length, _Nothing() if device is None else device)

    def at(self, offset: int) -> Piece:
        """Return the device at an offset."""
        for piece in self.pieces:
            if piece.has(offset):
                return piece
        return self._whole

    def read(self, offset: int, width: int) -> int:
        """Answer a read."""
        if not self.decodes():
            return (1 << 8 * width) - 1
        piece = self.at(offset)
        try:
            answer: int = piece.device.read(offset - piece.start, width)
        except NoRegister as hole:
            raise self._own(hole, piece) from None
        return answer

    def write(self, offset: int, width: int, value: int) -> None:
        """Take a write."""
        if self.decodes():
            piece = self.at(offset)
            try:
                piece.device.write(offset - piece.start, width, value)
            except NoRegister as hole:
                raise self._own(hole, piece) from None

    def _own(self, hole: NoRegister, piece: Piece) -> NoRegister:
        """Return an error that is the window's if it is its device's: the policy of the mapping answers then."""
        if hole.device is piece.device:
            hole.device = self
        return hole

    def holes(self, offset: int, width: int) -> int:
        """Return the mask of the bytes where the device has nothing; none are missing while the function is off."""
        piece = self.at(offset)
        holes: Callable[[int, int], int] | None = getattr(piece.device, "holes", None)
        return 0 if holes is None or not self.decodes() else holes(offset - piece.start, width)

    def name_at(self, offset: int, width: int) -> str | None:
        """Name what an access touches."""
        piece = self.at(offset)
        name_at: Callable[[int, int], str | None] | None = getattr(piece.device, "name_at", None)
        return None if name_at is None else name_at(offset - piece.start, width)

    def describe(self, offset: int, width: int, value: int) -> str:
        """Print the fields of a value."""
        piece = self.at(offset)
        describe: Callable[[int, int, int], str] | None = getattr(piece.device, "describe", None)
        return "" if describe is None else describe(offset - piece.start, width, value)

    def fields_at(self, offset: int, width: int) -> tuple[tuple[str, int, int], ...]:
        """Name the fields that an access moves."""
        piece = self.at(offset)
        fields_at: Any = getattr(piece.device, "fields_at", None)
        found: tuple[tuple[str, int, int], ...] = () if fields_at is None else fields_at(offset - piece.start, width)
        return found

    @property
    def naming(self) -> Callable[[int, int, Direction], Any] | None:
        """Return what selects the names for an access, where the device's names change; None for the others."""
        naming: Any = getattr(self.device, "naming", None)
        if naming is None:
            return None

        def of(offset: int, width: int, direction: Direction) -> Any:
            return self if any(piece.has(offset) for piece in self.pieces) else naming(offset, width, direction)

        return of

    def __repr__(self) -> str:
        return f"Window({self.name!r}, {self.length:#x} bytes)"


class _Nothing:
    """A part of a region where the function has nothing."""

    def read(self, offset: int, width: int) -> int:
        return 0

    def write(self, offset: int, width: int, value: int) -> None:
        pass
