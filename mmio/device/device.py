"""Device models: the declarative form.

A device needs no base class: `read(offset, width)` and `write(offset, width, value)` will do (`DeviceLike`). `Device`
is for models with registers. What a class declares in its body is checked when the class is made; each device then has
a table from offset to register, and an access of a whole register is one look-up.

Accesses that are not of one whole register are done as hardware with byte enables does them: register by register,
ascending, and not before it is certain that every byte has a register. A write of a part reaches the bits of that
part only: the others keep their value and suffer no effect, a woclr's included. A read of a part is a read of the
register, whose effect (rclr, a `reads` handler) happens once and in full. Handlers get whole register values.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from difflib import get_close_matches
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any, ClassVar, Self

from decode import READ, WRITE, Direction
from mmio.arguments import shortened
from mmio.device.accessor import register_paths
from mmio.device.block import OPEN, BlockArray, BoundBlocks, Nested, Surrounding
from mmio.device.bound import BoundArray, BoundRegister, Cell
from mmio.device.clock import Call, Clock, Timer
from mmio.device.declaration import Handlers, Members, read_handlers, read_layout, read_members
from mmio.device.field import shown
from mmio.device.fifo import BoundFifo, Fifo, FifoCell
from mmio.device.layout import Layout
from mmio.device.line import Line, LineDeclaration
from mmio.device.memory import ProgramMemory, ThisProcess
from mmio.device.register import Register, RegisterArray
from mmio.device.state import devices_of, put, save
from mmio.device.time_policy import Still
from mmio.device.timed import on_time
from mmio.errors import NoRegister

__tracebackhide__ = True  # pytest reports a failure of a driver or a model, not of the way between them


class Device:
    """A device model with registers, declared in the body of a subclass.

        class Timer(Device):
            ctrl = register(0x00, fields=[bit("EN", 0), field("PSC", 15, 8)])
            fifo = array(0x40, count=8)
            irq = line()

            @ctrl.written
            def _start(self, old: int, new: int) -> None:
                self.irq.set(bool(self.ctrl.EN))

    `Timer.layout` says which register is where. A subclass inherits registers and handlers, and may replace both. It
    need not call `super().__init__()`: registers are there before `__init__` runs. In a block, `self.parent` is the
    device around it, and among several `blocks` `self.index` its number; both are None elsewhere.
    """

    layout: ClassVar[Layout] = Layout("Device", ())
    _device_members: ClassVar[Members] = {}
    _device_handlers: ClassVar[Handlers] = {}
    _device_bound: dict[str, Any]
    _device_clock: Clock | None = None
    _device_clock_made = False  # here, and not assigned
    _device_memory: ProgramMemory | None = None
    _device_outer: "Device | None" = None  # of the device of a block
    _device_index: int | None = None  # of the device of one of several blocks
    parent: Any = Surrounding("_device_outer")
    index: Any = Surrounding("_device_index")

    def __init_subclass__(cls, **arguments: Any) -> None:
        super().__init_subclass__(**arguments)
        inherited: dict[Any, str] = {}
        for base in reversed(cls.__mro__[1:]):
            inherited.update(vars(base).get("_device_handlers", {}))
        members = read_members(cls, _API)
        cls.layout = read_layout(cls, members, Device)
        cls._device_handlers = read_handlers(cls, members, inherited)
        cls._device_members = members

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        """Make the registers of the device, before any `__init__` of its class."""
        if cls.__init__ is object.__init__ and (args or kwargs):
            raise TypeError(f"{cls.__name__}() takes no arguments")
        device = super().__new__(cls)
        device.__build()
        return device

    def __build(self) -> None:
        self._device_bound = {}
        cells: list[tuple[int, Cell]] = []
        for attribute, member in self._device_members.items():
            bound: Any
            if isinstance(member, Register | RegisterArray):
                own = [
                    Cell(member, name, self.__handler(attribute, "reads", i), self.__handler(attribute, "written", i))
                    for i, (name, _) in enumerate(member.elements)
                ]
                cells += zip((offset for _, offset in member.elements), own, strict=True)
                views = [BoundRegister(cell) for cell in own]
                bound = views[0] if isinstance(member, Register) else BoundArray(views)
            elif isinstance(member, Fifo):
                queue = FifoCell(member, member.name, self.__handlers(attribute))
                cells.append((member.offset, queue))
                bound = BoundFifo(queue)
            elif isinstance(member, Nested):
                inner: list[Device] = []
                for i, (_, start) in enumerate(member.elements):
                    inner.append(self.__inside(attribute, member, i))
                    cells += [(member.place(start, offset), cell) for offset, cell in inner[i].__placed()]
                bound = BoundBlocks(inner) if isinstance(member, BlockArray) else inner[0]
            else:
                assert isinstance(member, LineDeclaration)
                bound = Line(member.name, member.trigger)
            self._device_bound[attribute] = bound
        cells.sort(key=lambda placed: placed[0])
        self.__cells = [cell for _, cell in cells]  # in the order of layout.places
        self._device_at = dict(placed for number, placed in enumerate(cells) if number not in self.layout.shared)

    def __inside(self, attribute: str, member: Nested[Any, Any], index: int) -> "Device":
        """Make a device inside this one, and hang the handlers on it that this class has for its registers."""
        cls: type[Device] = member.device
        device: Device = cls.__new__(cls)
        device._device_outer = self
        several = isinstance(member, BlockArray)
        device._device_index = index if several else None
        device.__init__()  # type: ignore[misc]  # it knows its place by then
        for (name, kind), method in self._device_handlers.items():
            block, _, register = name.partition(".")
            if block == attribute and register:
                handler = getattr(self, method)
                cell = device._device_bound[register]._cell
                cell.handle_too(kind, partial(handler, index) if several else handler)
        return device

    def __placed(self) -> list[tuple[int, Cell]]:
        return [(place.offset, cell) for place, cell in zip(self.layout.places, self.__cells, strict=True)]

    def __view(self, direction: Direction) -> Layout:
        """Return the registers that an access in this direction reaches now."""
        layout = self.layout
        if not layout.shared:
            return layout
        cells = self.__cells
        return layout.view(direction, tuple([cells[i].value & mask == value for i, mask, value in layout.conditions]))

    def __handlers(self, attribute: str) -> Mapping[Any, Callable[..., object]]:
        found = self._device_handlers.items()
        return {kind: getattr(self, method) for (name, kind), method in found if name == attribute}

    def __handler(self, attribute: str, kind: Any, index: int) -> Any:
        method = self._device_handlers.get((attribute, kind))
        if method is None:
            return None
        handler = getattr(self, method)
        return handler if isinstance(self._device_members[attribute], Register) else partial(handler, index)

    @property
    def clock(self) -> Clock:
        """The device's time. One of its own is made at first use; assign another to share it.

        The timers of one that was made continue in the one that is assigned. A block has the clock of the device around
        it. It is no part of the device's state: `reset`, `snapshot` and `restore` leave it as it is.
        """
        if self._device_clock is None:
            if self._device_outer is not None:
                return self._device_outer.clock
            self._device_clock = Clock()
            self._device_clock_made = True
        return self._device_clock

    @clock.setter
    def clock(self, clock: Clock) -> None:
        if not isinstance(clock, Clock):
            raise TypeError(f"the clock of a {type(self).__name__} is a Clock, not {shortened(clock)}")
        if self._device_clock_made and self._device_clock is not None and self._device_clock is not clock:
            clock._take_over(self._device_clock)
        self._device_clock = clock
        self._device_clock_made = False

    def after(self, delay: int, call: Call) -> Timer:
        """Make a call once, some time from now: short for `clock.after`.

        Args:
            delay: ns from now, as `us(50)`.
            call: is called without arguments.

        Returns:
            The timer, to cancel it by.

        Raises:
            TypeError: the delay is no int, or the call cannot be called.
            ValueError: the delay is negative.
        """
        return self.clock.after(delay, call)

    def every(self, period: int, call: Call) -> Timer:
        """Make a call periodically, first after one period: short for `clock.every`.

        Args:
            period: ns between two calls, from 1.
            call: is called without arguments. It may cancel its own timer.

        Returns:
            The timer, to cancel it by.

        Raises:
            TypeError: the period is no int, or the call cannot be called.
            ValueError: the period is less than 1.
        """
        return self.clock.every(period, call)

    def _device_moving(self) -> Clock | None:
        """Return the clock, if it is one that accesses move."""
        clock = self._device_clock
        if clock is None and self._device_outer is not None:
            clock = self.clock
        return None if clock is None or isinstance(clock.policy, Still) else clock

    def _device_on_bus(self) -> Any:
        """Return the device as a bus is to see it: what moves its clock at each access, where the clock wants that."""
        return on_time(self, self._device_moving())

    @property
    def memory(self) -> ProgramMemory:
        """The memory of the program that accesses the device, for DMA: this process, or what is assigned.

        A block has that of the device around it. It is no part of the device's state.
        """
        if self._device_memory is None:
            if self._device_outer is not None:
                return self._device_outer.memory
            self._device_memory = ThisProcess(type(self).__name__)
        return self._device_memory

    @memory.setter
    def memory(self, memory: ProgramMemory) -> None:
        if isinstance(memory, type) or not isinstance(memory, ProgramMemory):
            problem = "is something with read(address, length) and write(address, data)"
            raise TypeError(f"the memory of a {type(self).__name__} {problem}, not {shortened(memory)}")
        self._device_memory = memory
        if getattr(memory, "device", None) == "":  # it has no name for its messages yet
            memory.device = type(self).__name__  # type: ignore[attr-defined]

    def read(self, offset: int, width: int) -> int:
        """Answer a read from the bus. Raises NoRegister when a byte of it has no register."""
        cell = self._device_at.get(offset)
        if cell is None or cell.width != width:
            return self.__read_parts(offset, width)
        return cell.value if cell.plain_read else cell.load()

    def write(self, offset: int, width: int, value: int) -> None:
        """Take a write from the bus. Raises NoRegister when a byte of it has no register."""
        if value >> (width << 3):
            raise ValueError(f"value {value:#x} does not fit in {width} bytes")
        cell = self._device_at.get(offset)
        if cell is None or cell.width != width:
            self.__write_parts(offset, width, value)
        elif cell.plain_write:
            cell.value = value
        else:
            cell.store(value, cell.mask)

    _device_path = register_paths(read, write)

    def __read_parts(self, offset: int, width: int) -> int:
        parts, holes = self.__view(READ).cut(offset, width)
        if holes:
            raise NoRegister(self, offset, width)
        value = 0
        for index, first, length, at in parts:
            value |= (self.__cells[index].load() >> 8 * first & (1 << 8 * length) - 1) << 8 * at
        return value

    def __write_parts(self, offset: int, width: int, value: int) -> None:
        parts, holes = self.__view(WRITE).cut(offset, width)
        if self.layout.shared and len(parts) + bool(holes) > 1:
            values = [cell.value for cell in self.__cells]
            parts, holes = self.layout.cut_write(offset, width, value, values, self.__after_write)
        if holes:
            raise NoRegister(self, offset, width)
        for index, first, length, at in parts:
            lanes = (1 << 8 * length) - 1 << 8 * first
            self.__cells[index].store(value >> 8 * at << 8 * first & lanes, lanes)

    def __after_write(self, number: int, data: int, lanes: int) -> int:
        return self.__cells[number].effects.after_write(self.__cells[number].value, data, lanes)

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names of the registers, in order of offset."""
        return (place.name for place in self.layout.places)

    def __getitem__(self, name: str) -> BoundRegister:
        """Return a register by the name it has in records: `card["CTRL"]`, `card["FIFO[3]"]`, `card["dma.CTRL"]`."""
        try:
            return BoundRegister(self.__cells[self.layout.number(name)])
        except KeyError:
            close = get_close_matches(str(name), list(self), n=1)
            hint = f"did you mean {close[0]!r}?" if close else "dump() shows those it has"
            raise KeyError(f"{type(self).__name__} has no register {name!r}; {hint}") from None

    if not TYPE_CHECKING:  # a checker of types would believe in every attribute

        def __getattr__(self, name: str) -> BoundRegister:
            """Return a register by the name it has in records, where that is not the attribute's: `card.CTRL`."""
            if not name.startswith("_"):
                with suppress(KeyError):
                    return BoundRegister(self.__cells[self.layout.number(name)])
            what = f"{type(self).__name__!r} object has no attribute {name!r}"
            close = get_close_matches(name, list(self), n=1) if name.isupper() else ()
            hint = f"; did you mean its register {close[0]!r}?" if close else ""
            raise AttributeError(what + hint, name=name, obj=self)

    def holes(self, offset: int, width: int) -> int:
        """Return the mask of those bytes of an access that have no register."""
        return self.__view(READ).cut(offset, width)[1]

    def name_at(self, offset: int, width: int) -> str | None:
        """Name what an access touches: "CTRL", "FIFO[3]", "CTRL+2"; None where nothing is."""
        return self.__view(READ).name_at(offset, width)

    def describe(self, offset: int, width: int, value: int) -> str:
        """Print the fields of a value that an access moved: "EN=1 PSC=0x03"."""
        return self.__view(READ).describe(offset, width, value)

    @property
    def naming(self) -> Callable[[int, int, Direction], Layout] | None:
        """Of a device whose registers share bytes: what names an access in a direction now. None for the others."""
        return (lambda offset, width, direction: self.__view(direction)) if self.layout.shared else None

    def fields_at(self, offset: int, width: int) -> tuple[tuple[str, int, int], ...]:
        """Name the fields in what an access moves, each with its highest and lowest bit there."""
        return self.__view(READ).fields_at(offset, width)

    def reset(self) -> None:
        """Put every register to its reset value and every line low, in blocks too. Calls no handlers."""
        for cell in self.__cells:
            cell.reset()
        for bound in self._device_bound.values():
            for device in devices_of(bound):
                device.reset()
            if isinstance(bound, Line):
                bound.set(False)

    def snapshot(self) -> dict[str, Any]:
        """Return the state as plain dicts, lists and ints, fit for JSON.

        A model with state beyond its registers adds keys of its own here and reads them in `restore`.
        """
        return save(self._device_bound)

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take the state of a snapshot of the same class, quietly: no handler and no subscriber is called.

        Raises:
            ValueError: the state is of another device; nothing has changed.
        """
        before = Device.snapshot(self)
        try:
            self.__take(state)
        except (KeyError, TypeError) as error:
            self.__take(before)
            raise ValueError(f"no snapshot of a {type(self).__name__}: {error!r}") from None
        except Exception:
            self.__take(before)
            raise

    def __take(self, state: Mapping[str, Any]) -> None:
        put(type(self).__name__, self._device_bound, state)

    def dump(self) -> str:
        """Print all registers, a line each; equal neighbours in an array share one."""
        digits = len(f"{self.layout.extent:x}")
        rows: list[tuple[str, str, str]] = []
        placed = zip(self.layout.places, self.__cells, strict=True)
        for _, group in groupby(placed, key=lambda row: (row[0].family, row[1].value)):
            (place, cell), *more = group
            name = f"{place.name[:-1]}..{more[-1][0].name.rpartition('[')[2]}" if more else place.name
            fields = shown(place.fields, cell.value)
            rows.append((f"0x{place.offset:0{digits}x}", name, f"0x{cell.value:0{2 * cell.width}x} {fields}".rstrip()))
        longest = max((len(name) for _, name, _ in rows), default=0)
        return "\n".join(f"{offset}  {name:{longest}}  {value}" for offset, name, value in rows)


_API = frozenset(name for name in dir(Device) if not name.startswith("__")) - OPEN
