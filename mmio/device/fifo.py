"""A register in front of a queue: a write appends a value, a read removes one.

A driver sees a FIFO as one register, so it is declared as one. The queue itself is the model's: the other end of a wire
pushes what a driver will read, and drains what it has written.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar, Final, TypeVar

from mmio.arguments import instance, shortened
from mmio.device.bound import BoundRegister, Cell
from mmio.device.declared import Declared, Kind
from mmio.device.effects import Access
from mmio.device.field import Field
from mmio.device.sharing import Selection
from mmio.errors import DefinitionError

Taking = TypeVar("Taking", bound=Callable[[Any, int], object])
Missing = TypeVar("Missing", bound=Callable[[Any], object])

_ACCESS: Final = ("r", "w", "rw")


class FifoCell(Cell):
    """The queue of one device, as the bus sees it."""

    __slots__ = ("depth", "empty", "handlers", "items", "overrun", "underrun")

    def __init__(self, declared: "Fifo", name: str, handlers: Mapping[Kind, Callable[..., object]]) -> None:
        self.items: deque[int] = deque()
        self.depth = declared.depth
        self.empty = declared.empty
        self.handlers = handlers
        super().__init__(declared, name, None, None)
        self.plain_read = self.plain_write = False

    def reset(self) -> None:
        """Empty it, quietly, and lower both flags."""
        super().reset()
        self.items.clear()
        self.overrun = self.underrun = False

    def load(self) -> int:
        """Answer a read from the bus: take the oldest value out."""
        if not self.effects.readable:
            return 0
        if not self.items:
            self.underrun = True
            self._call("underrun")
            return self.value if self.empty is None else self.empty
        self.value = value = self.items.popleft()
        self._call("popped", value)
        return value

    def store(self, data: int, lanes: int) -> None:
        """Take a write from the bus: put a value in. Bytes that are not written are 0."""
        if self.effects.writable and self.push(data & lanes):
            self._call("pushed", data & lanes)

    def push(self, value: int) -> bool:
        """Put a value in, if there is room; else it is lost."""
        if len(self.items) >= self.depth:
            self.overrun = True
            self._call("overrun", value)
            return False
        self.items.append(value)
        return True

    def checked(self, value: int) -> int:
        """Return a value that fits. Raises ValueError when it does not."""
        kept = self.value
        try:
            self.put(value)
            return self.value
        finally:
            self.value = kept

    def state(self) -> dict[str, Any]:
        """Return what is in it, and its flags."""
        return {"items": list(self.items), "overrun": self.overrun, "underrun": self.underrun}

    def take(self, state: Mapping[str, Any]) -> None:
        """Take a state back, quietly."""
        items = [self.checked(value) for value in state["items"]]
        if len(items) > self.depth:
            raise ValueError(f"{self.name} has room for {self.depth}, the state has {len(items)}")
        overrun, underrun = bool(state["overrun"]), bool(state["underrun"])
        self.items.clear()
        self.items.extend(items)
        self.overrun, self.underrun = overrun, underrun

    def _call(self, kind: Kind, *arguments: int) -> None:
        handler = self.handlers.get(kind)
        if handler is not None:
            handler(*arguments)


class BoundFifo(BoundRegister):
    """A FIFO of a device, for the device's own code and for tests.

    `push` and `pop` are the model's end of it: they call no handler but `overrun`. `read` and `write` do what the bus
    does. `value` is what was read last.
    """

    __slots__ = ()
    _cell: FifoCell

    @property
    def level(self) -> int:
        """Number of values in it."""
        return len(self._cell.items)

    @property
    def depth(self) -> int:
        """Number of values there is room for."""
        return self._cell.depth

    @property
    def full(self) -> bool:
        """Return whether the next push would be lost."""
        return self.level >= self.depth

    @property
    def items(self) -> deque[int]:
        """The values in it, the oldest first. It is the queue itself."""
        return self._cell.items

    @property
    def overrun(self) -> bool:
        """Return whether a value was lost, because there was no room, since the flags were cleared."""
        return self._cell.overrun

    @property
    def underrun(self) -> bool:
        """Return whether it was read while it was empty, since the flags were cleared."""
        return self._cell.underrun

    def push(self, value: int) -> bool:
        """Put a value in, and return whether there was room.

        Raises:
            TypeError: the value is no int.
            ValueError: it does not fit in the register.
        """
        return self._cell.push(self._cell.checked(value))

    def extend(self, values: Iterable[int]) -> int:
        """Put values in, as `push` does each, and return how many there was room for.

        Raises:
            TypeError: these are no ints.
            ValueError: one does not fit in the register.
        """
        instance("values", values, Iterable, "a list of ints")
        return sum(self.push(value) for value in values)

    def pop(self) -> int:
        """Take the oldest value out. Raises IndexError when there is none."""
        if not self._cell.items:
            raise IndexError(f"{self._cell.name} is empty")
        return self._cell.items.popleft()

    def drain(self) -> deque[int]:
        """Take all values out, and return them, the oldest first."""
        items = self._cell.items.copy()
        self._cell.items.clear()
        return items

    def clear_flags(self) -> None:
        """Lower `overrun` and `underrun`."""
        self._cell.overrun = self._cell.underrun = False

    def __repr__(self) -> str:
        cell = self._cell
        flags = f"{' OVERRUN' * cell.overrun}{' UNDERRUN' * cell.underrun}"
        return f"{cell.name} {self.level}/{cell.depth} {[hex(item) for item in cell.items]}{flags}"


class Fifo(Declared[BoundFifo]):
    """The declaration of a FIFO; made by `fifo_register`."""

    instead = "call {0}.push(value)"
    arguments: ClassVar[dict[Kind, tuple[str, ...]]] = {
        "pushed": ("value",),
        "popped": ("value",),
        "overrun": ("value",),
        "underrun": (),
    }
    depth = 0
    empty: int | None = None

    def check(self, where: str) -> None:
        """As for a register, and depth and what an empty one answers."""
        super().check(where)
        if not isinstance(self.depth, int) or isinstance(self.depth, bool) or self.depth < 1:
            raise DefinitionError(f"{where}: depth is {shortened(self.depth)}, expected an int, 1 or more")
        if self.access not in _ACCESS:
            raise DefinitionError(
                f"{where}: access {shortened(self.access)}, expected of a FIFO one of {', '.join(_ACCESS)}"
            )
        if self.empty is not None and not (isinstance(self.empty, int) and 0 <= self.empty < 1 << 8 * self.width):
            problem = f"expected None or an int that fits in {self.width} bytes"
            raise DefinitionError(f"{where}: empty is {shortened(self.empty)}, {problem}")
        for field in self.fields:
            if hasattr(BoundFifo, field.name):
                raise DefinitionError(f"{where}: field {field.name!r}: a FIFO has an attribute like it")
            if field.access or field.on_read or field.on_write or field.singlepulse:
                raise DefinitionError(f"{where}: field {field.name!r}: the bits of a FIFO have no effects of their own")

    def pushed(self, handler: Taking) -> Taking:
        """Call `handler(self, value)` after a write from the bus has put a value in."""
        self.noted.append(("pushed", handler))
        return handler

    def popped(self, handler: Taking) -> Taking:
        """Call `handler(self, value)` after a read from the bus has taken a value out."""
        self.noted.append(("popped", handler))
        return handler

    def overran(self, handler: Taking) -> Taking:
        """Call `handler(self, value)` when a value is lost, for there is no room: a write's or the model's."""
        self.noted.append(("overrun", handler))
        return handler

    def underran(self, handler: Missing) -> Missing:
        """Call `handler(self)` when the bus reads and nothing is there."""
        self.noted.append(("underrun", handler))
        return handler


def fifo_register(
    offset: int,
    depth: int,
    width: int = 4,
    access: Access = "rw",
    empty: int | None = None,
    fields: Iterable[Field] | Field = (),
    name: str | None = None,
    doc: str = "",
    when: Selection | None = None,
) -> Fifo:
    """Declare a register in front of a queue: a write puts a value in, a read takes the oldest out.

        rx = fifo_register(0x00, depth=16, width=1, access="r")
        tx = fifo_register(0x00, depth=16, width=1, access="w")

        @tx.pushed
        def _send(self, value: int) -> None: ...

    The model fills `self.rx` with `push` and empties `self.tx` with `pop` or `drain`; `level`, `full`, `overrun` and
    `underrun` are what status registers show. Snapshots hold what is in it.

    Args:
        offset: of its first byte in the device.
        depth: how many values there is room for; one that comes when it is full is lost, and `overrun` rises.
        width: in bytes, of each value.
        access: r (the driver reads what the model pushes), w (the model takes what the driver writes), or rw (one queue
            for both).
        empty: what a read answers when nothing is there; the value that was read last when left out.
        fields: names for bits of a value, made by `field` and `bit`.
        name: in records and messages; the attribute's, in capitals, when left out.
        doc: a description.
        when: as in `register`.
    """
    declared = Fifo(offset, width, 0, fields, access, None, None, name, doc, when)
    declared.depth = depth
    declared.empty = empty
    return declared
