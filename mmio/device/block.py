"""Devices composed of devices: a block of registers at an offset, arrays of blocks, a bank behind an index register."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, Final, Generic, Never, NoReturn, Protocol, TypeVar, overload

from mmio.arguments import shortened
from mmio.device.declared import Declared, Kind
from mmio.device.layout import Layout, RegisterPlace
from mmio.device.member import Member
from mmio.device.register import Register
from mmio.device.sharing import Condition
from mmio.errors import DefinitionError

OPEN: Final = frozenset(("parent", "index", "after", "every"))  # attributes of a device that its registers may replace


class LaidOut(Protocol):
    """A device whose registers are declared: `Device`."""

    layout: ClassVar[Layout]

    def read(self, offset: int, width: int) -> int:
        """Answer a read."""

    def write(self, offset: int, width: int, value: int) -> None:
        """Answer a write."""


D = TypeVar("D", bound=LaidOut, covariant=True)
T = TypeVar("T", covariant=True)
Handler = TypeVar("Handler", bound=Callable[..., Any])


class Surrounding:
    """Attribute for what is around a device. A model may use the name for something else: an assignment hides it."""

    def __init__(self, attribute: str) -> None:
        self._attribute = attribute

    def __get__(self, device: object | None, owner: type) -> Any:
        return self if device is None else getattr(device, self._attribute)


class Nested(Member[T], Generic[D, T]):
    """The declaration of devices of one class inside a device.

    Attributes:
        offset: of the first of them.
        device: their class.
        noted: handlers that the outer class has for their registers, as (kind, register, function).
    """

    def __init__(self, offset: int, device: type[D], name: str | None) -> None:
        super().__init__(name)
        self.offset = offset
        self.device = device
        self.noted: list[tuple[Kind, Declared[Any], Callable[..., object]]] = []

    @property
    def elements(self) -> list[tuple[str, int]]:
        """Name and offset of each."""
        return [(self.name, self.offset)]

    def arguments(self, kind: Kind) -> tuple[str, ...]:
        """Return what a handler gets after self."""
        return Register.arguments[kind]

    def written(self, register: Register) -> Callable[[Handler], Handler]:
        """Call `handler(self, old, new)` of the outer device after every write to a register inside.

        It comes after the inner device's own handler. Of `blocks` it is `handler(self, index, old, new)`.

        Args:
            register: of the inner class, as in `@queue.written(Queue.tail)`.
        """
        return lambda handler: self._note("written", register, handler)

    def reads(self, register: Register) -> Callable[[Handler], Handler]:
        """Call `handler(self) -> int` of the outer device on every read of a register inside.

        Of `blocks` it is `handler(self, index)`.

        Args:
            register: of the inner class, which has no such handler of its own.
        """
        return lambda handler: self._note("reads", register, handler)

    def _note(self, kind: Kind, register: Register, handler: Handler) -> Handler:
        self.noted.append((kind, register, handler))
        return handler

    def check(self, where: str, base: type[LaidOut]) -> None:
        """Raise DefinitionError when the declaration makes no sense; `base` is `Device`."""
        if not (isinstance(self.device, type) and issubclass(self.device, base)):
            raise DefinitionError(f"{where}: a block is made of a Device class, not {shortened(self.device)}")
        if not isinstance(self.offset, int) or isinstance(self.offset, bool):
            raise DefinitionError(f"{where}: offset is {shortened(self.offset)}, expected an int")
        if self.offset < 0:
            raise DefinitionError(f"{where}: offset {self.offset}, expected 0 or more")
        if self.device.read is not base.read or self.device.write is not base.write:
            # The outer device would call the inner one's registers and pass its methods by.
            raise DefinitionError(f"{where}: {self.device.__name__} answers by itself; map it as a device of its own")

    def place(self, base: int, inner: int) -> int:
        """Return where a register appears, given the offset of its device and its own in that."""
        return base + inner

    def places(self, where: str, base: type[LaidOut]) -> list[RegisterPlace]:
        """The registers where they are in the outer device, names dotted; `base` is `Device`.

        Raises:
            DefinitionError: the block is made of something else, or of a class that overrides `read` or `write`.
        """
        self.check(where, base)
        return [
            RegisterPlace(  # attrs.evolve would take most of the time of making a class
                self.place(offset, place.offset),
                place.width,
                f"{name}.{place.name}",
                place.fields,
                self._when(name, place),
                place.readable,
                place.writable,
            )
            for name, offset in self.elements
            for place in self.device.layout.places
        ]

    def _when(self, name: str, place: RegisterPlace) -> Condition | None:
        return place.when and place.when.within(name)


class Block(Nested[D, D]):
    """The declaration of a device inside a device; made by `block`."""

    instead = "write to the registers of {}"


class BoundBlocks(Sequence[D]):
    """The devices of `blocks`, by index."""

    __slots__ = ("_devices",)

    def __init__(self, devices: Sequence[D]) -> None:
        self._devices = devices

    @overload
    def __getitem__(self, position: int) -> D: ...
    @overload
    def __getitem__(self, position: slice) -> Sequence[D]: ...
    def __getitem__(self, position: int | slice) -> D | Sequence[D]:
        try:
            return self._devices[position]
        except IndexError:
            raise IndexError(f"there are elements 0..{len(self) - 1}, not {position}") from None

    def __setitem__(self, position: int, value: Never) -> NoReturn:
        raise TypeError("an element cannot be assigned: write to the registers of [position]")

    def __len__(self) -> int:
        return len(self._devices)

    def __iter__(self) -> Iterator[D]:
        return iter(self._devices)

    def __repr__(self) -> str:
        return f"<{len(self)} of {type(self._devices[0]).__name__}>"


class BlockArray(Nested[D, BoundBlocks[D]]):
    """The declaration of equal devices at equal distances; made by `blocks`."""

    instead = "write to the registers of {}[i]"

    def __init__(self, offset: int, device: type[D], name: str | None, count: int, stride: int | None) -> None:
        super().__init__(offset, device, name)
        self.count = count
        self.given_stride = stride

    @property
    def stride(self) -> int:
        """Bytes from one to the next: when none was given, the size of one."""
        return self.device.layout.extent if self.given_stride is None else self.given_stride

    @property
    def elements(self) -> list[tuple[str, int]]:
        """Name and offset of each."""
        return [(f"{self.name}[{i}]", self.offset + i * self.stride) for i in range(self.count)]

    def arguments(self, kind: Kind) -> tuple[str, ...]:
        """Return what a handler gets after self."""
        return ("index", *super().arguments(kind))

    def check(self, where: str, base: type[LaidOut]) -> None:
        """As for a block, and count and stride."""
        super().check(where, base)
        for name, number in (("count", self.count), ("stride", self.stride)):
            if not isinstance(number, int) or isinstance(number, bool):
                raise DefinitionError(f"{where}: {name} is {shortened(number)}, expected an int")
        if self.count < 1:
            raise DefinitionError(f"{where}: count {self.count}, expected 1 or more")
        if self.count > 1 and self.stride < 1:
            raise DefinitionError(f"{where}: stride {self.stride}, expected 1 or more")


class Indexed(Block[D]):
    """The declaration of a device behind an index register; made by `indexed`."""

    def __init__(
        self, offset: int, device: type[D], by: Register, field: str | None, step: int, name: str | None
    ) -> None:
        super().__init__(offset, device, name)
        self.by = by
        self.field = field
        self.step = step

    def place(self, base: int, inner: int) -> int:
        """Return where a register appears: all in one place."""
        return base

    def check(self, where: str, base: type[LaidOut]) -> None:
        """As for a block, and that each of its registers can be chosen."""
        super().check(where, base)
        if not isinstance(self.by, Register):
            raise DefinitionError(f"{where}: by= is a register of this class, not {shortened(self.by)}")
        if not isinstance(self.step, int) or isinstance(self.step, bool) or self.step < 1:
            raise DefinitionError(f"{where}: step is {shortened(self.step)}, expected an int, 1 or more")
        if self.field is not None and self.field not in list(self.by.fields_by_name):
            known = ", ".join(self.by.fields_by_name) or "no fields at all"
            raise DefinitionError(f"{where}: field={shortened(self.field)}, but {self.by.attribute} has {known}")
        for place in self.device.layout.places:
            if place.when is not None:
                raise DefinitionError(f"{where}: {place.name} is not there all the time, and cannot be behind an index")
            if place.offset % self.step:
                raise DefinitionError(f"{where}: {place} is at no multiple of the step, {self.step}")
        last = max((place.offset for place in self.device.layout.places), default=0) // self.step
        if last << self._lsb & ~self.mask:
            what = f"field {self.field}" if self.field else "register"
            raise DefinitionError(f"{where}: the {what} of {self.by.attribute} cannot hold {last:#x}, the last index")

    @property
    def mask(self) -> int:
        """The bits of the index register that count."""
        return (1 << 8 * self.by.width) - 1 if self.field is None else self.by.fields_by_name[self.field].mask

    @property
    def _lsb(self) -> int:
        return 0 if self.field is None else self.by.fields_by_name[self.field].lsb

    def _when(self, name: str, place: RegisterPlace) -> Condition | None:
        return Condition(self.by.name, self.mask, place.offset // self.step << self._lsb)


def block(offset: int, device: type[D], name: str | None = None) -> Block[D]:
    """Declare a device inside this one, made with it.

    After `dma = block(0x100, Dma)` in the class, `self.dma.ctrl` is a register of it, and `self.dma.parent` is `self`.

    Args:
        offset: its registers appear from here on, under dotted names ("dma.CTRL").
        device: its class, which must need no arguments.
        name: in those names; the attribute's when left out.
    """
    return Block(offset, device, name)


def blocks(
    offset: int, device: type[D], count: int, stride: int | None = None, name: str | None = None
) -> BlockArray[D]:
    """Declare `count` equal devices inside this one, such as the queues of a network card.

        queue = blocks(0x1000, Queue, count=64, stride=0x40, name="QUEUE")

        @queue.written(Queue.tail)
        def _kick(self, index: int, old: int, new: int) -> None: ...

    `self.queue[3].tail` is a register, QUEUE[3].TAIL in records. A queue's own handlers find their place in
    `self.parent` and `self.index`.

    Args:
        offset: of the first one.
        device: their class, which must need no arguments.
        count: how many there are.
        stride: bytes from one to the next; the size of one when left out.
        name: in the names of their registers; the attribute's when left out.
    """
    return BlockArray(offset, device, name, count, stride)


def indexed(
    offset: int, device: type[D], by: Register, field: str | None = None, step: int = 1, name: str | None = None
) -> Indexed[D]:
    """Declare registers behind an index: all are at one offset, and an index register says which of them is there.

        index = register(0x0, width=1, fields=[field("REGISTER", 6, 0), bit("NMI_OFF", 7)])
        cmos = indexed(0x1, Cmos, by=index, field="REGISTER")

    An access of the data register is then one of a register of `Cmos`, and records call it so: "cmos.SECONDS". Where
    the index chooses none, the data register is not there, and the mapping's `unmapped` policy answers.

    Args:
        offset: of the data register.
        device: the class of what is behind it, which must need no arguments. Its offsets are values of the index.
        by: the index register, of this class.
        field: those bits of it that count; all of them when left out.
        step: offsets from one value of the index to the next.
        name: in the names of the registers; the attribute's when left out.
    """
    return Indexed(offset, device, by, field, step, name)
