"""A DMA controller of STM32F4 microcontrollers, with eight streams: RM0090, chapter 10.

Memory is the `memory` of the accessing program. Peripherals are reached by a pair of functions, which a board gives; in
their place, memory is. An address that is not there sets TEIF and ends the stream, and is never an error of the model.

A stream is served when its peripheral asks: by `request`, or as long as a line of the peripheral that is connected to
it is high. Requests of several streams are served one item at a time, by priority, then by number (10.3.4).

Not modelled: the FIFO as a buffer (its threshold and bursts change nothing), the peripheral as flow controller, and
which channel of a stream is selected: who calls `request` knows.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from mmio.arguments import integer, shortened
from mmio.device.device import Device
from mmio.device.field import Field, bit, field
from mmio.device.line import Line, line
from mmio.device.memory import ProgramMemoryError
from mmio.device.register import array, register
from mmio.errors import AccessError

STREAMS: Final = 8
FEIF, DMEIF, TEIF, HTIF, TCIF = 0x01, 0x04, 0x08, 0x10, 0x20  # of a stream, in LISR or HISR from its place on
EN, TEIE, HTIE, TCIE = 0x01, 0x04, 0x08, 0x10  # of SxCR
CIRC, PINC, MINC, PINCOS, DBM, CT = 0x100, 0x200, 0x400, 0x8000, 0x4_0000, 0x8_0000  # of SxCR
_PLACES: Final = (0, 6, 16, 22)  # of the flags of four streams
_NAMES: Final = (("FEIF", 0), ("DMEIF", 2), ("TEIF", 3), ("HTIF", 4), ("TCIF", 5))
_SPACING: Final = 0x18  # bytes from stream to stream
_FIRST: Final = 0x10
_CLEARED: Final = 0x0F7D_0F7D  # the bits of LIFCR and HIFCR that are there

Read: TypeAlias = Callable[[int, int], int]  # address, width -> value
Write: TypeAlias = Callable[[int, int, int], object]  # address, width, value


def _flags(first: int, prefix: str = "") -> list[Field]:
    return [
        bit(f"{prefix}{name}{first + number}", place + index)
        for number, place in enumerate(_PLACES)
        for name, index in _NAMES
    ]


_CR = [
    bit("EN", 0),
    bit("DMEIE", 1),
    bit("TEIE", 2),
    bit("HTIE", 3),
    bit("TCIE", 4),
    bit("PFCTRL", 5),
    field("DIR", 7, 6, enum={0: "PERIPHERAL_TO_MEMORY", 1: "MEMORY_TO_PERIPHERAL", 2: "MEMORY_TO_MEMORY"}),
    bit("CIRC", 8),
    bit("PINC", 9),
    bit("MINC", 10),
    field("PSIZE", 12, 11),
    field("MSIZE", 14, 13),
    bit("PINCOS", 15),
    field("PL", 17, 16),
    bit("DBM", 18),
    bit("CT", 19),
    field("PBURST", 22, 21),
    field("MBURST", 24, 23),
    field("CHSEL", 27, 25),
]
_ENABLES: Final = ((TEIF, TEIE), (HTIF, HTIE), (TCIF, TCIE), (DMEIF, 0x02))
_WHILE_ENABLED: Final = 0x1F  # bits of SxCR that can be changed while the stream is enabled: EN and the interrupts
_ENDLESS = 1 << 17  # items in a row after which a circular stream is taken for one that never ends


class Stream:
    """The state of a stream that no register shows.

    Attributes:
        total: of items, for the half and to begin again.
        peripheral: the address of the next item there; of the source, from memory to memory.
        memory: the address of the next item in memory.
        requests: that have come and are not yet served.
        lines: that request while they are high.
    """

    __slots__ = ("lines", "memory", "peripheral", "requests", "total")

    def __init__(self) -> None:
        self.total = self.peripheral = self.memory = self.requests = 0
        self.lines: list[Line] = []


class Stm32Dma(Device):
    """A DMA controller. The interrupt lines of its streams are `irq0` to `irq7`, and `irqs` has them by number.

    Args:
        peripheral: functions that read and write the registers of peripherals: `read(address, width) -> value` and
            `write(address, width, value)`. Memory when left out.

    Raises:
        TypeError: peripheral is something else than two functions.
    """

    lisr = register(0x00, access="r", fields=_flags(0))
    hisr = register(0x04, access="r", fields=_flags(4))
    lifcr = register(0x08, access="w", fields=_flags(0, "C"))
    hifcr = register(0x0C, access="w", fields=_flags(4, "C"))
    cr = array(_FIRST, STREAMS, _SPACING, fields=_CR, name="SxCR")
    ndtr = array(_FIRST + 0x04, STREAMS, _SPACING, fields=field("NDT", 15, 0), name="SxNDTR")
    par = array(_FIRST + 0x08, STREAMS, _SPACING, name="SxPAR")
    m0ar = array(_FIRST + 0x0C, STREAMS, _SPACING, name="SxM0AR")
    m1ar = array(_FIRST + 0x10, STREAMS, _SPACING, name="SxM1AR")
    fcr = array(
        _FIRST + 0x14,
        STREAMS,
        _SPACING,
        reset=0x21,
        fields=[field("FTH", 1, 0), bit("DMDIS", 2), field("FS", 5, 3, access="r"), bit("FEIE", 7)],
        name="SxFCR",
    )
    irq0 = line()
    irq1 = line()
    irq2 = line()
    irq3 = line()
    irq4 = line()
    irq5 = line()
    irq6 = line()
    irq7 = line()

    def __init__(self, peripheral: tuple[Read, Write] | None = None) -> None:
        if peripheral is not None and not (len(peripheral) == 2 and all(map(callable, peripheral))):
            raise TypeError(f"peripheral is two functions, (read, write), not {shortened(peripheral)}")
        self._peripheral = peripheral
        self.irqs = (self.irq0, self.irq1, self.irq2, self.irq3, self.irq4, self.irq5, self.irq6, self.irq7)
        self._streams = tuple(Stream() for _ in range(STREAMS))
        self._serving = False

    # The peripherals' side.

    def request(self, stream: int) -> bool:
        """Ask for one item, as a peripheral does. Return whether the stream is enabled; else the request is lost.

        Raises:
            TypeError: the stream is no int.
            ValueError: there is no such stream.
        """
        stream = integer("stream", stream, 0, STREAMS - 1)
        if not self._waits(stream):
            return False
        self._streams[stream].requests += 1
        self._serve()
        return True

    def connect(self, request: Line, stream: int) -> None:
        """Connect a line of a peripheral, such as `usart.rx_dma`, which asks for items as long as it is high.

        Raises:
            TypeError: it is no line, or the stream no int.
            ValueError: there is no such stream.
        """
        if not isinstance(request, Line):
            raise TypeError(f"request is a line of a device, such as usart.rx_dma, not {shortened(request)}")
        self._streams[integer("stream", stream, 0, STREAMS - 1)].lines.append(request)
        request.subscribe(lambda level: self._serve())
        self._serve()

    # Items.

    def _waits(self, stream: int) -> bool:
        """Return whether a stream is enabled, has items left, and is moved by requests."""
        control = self.cr[stream]
        return bool(control.EN and control.DIR != 2 and self.ndtr[stream].value)

    def _asked(self, stream: int) -> bool:
        state = self._streams[stream]
        return self._waits(stream) and (state.requests > 0 or any(request.level for request in state.lines))

    def _serve(self) -> None:
        """Move items as long as any are asked for. What asks meanwhile is served in the same loop."""
        if self._serving:
            return
        self._serving = True
        try:
            moved = 0
            while asked := [number for number in range(STREAMS) if self._asked(number)]:
                stream = min(asked, key=lambda number: (-self.cr[number].PL, number))
                self._streams[stream].requests = max(0, self._streams[stream].requests - 1)
                self._move(stream)
                moved += self.cr[stream].value & 0x1C0 == CIRC | 0x40  # what a peripheral sends is limited by itself
                if moved > _ENDLESS:
                    raise RuntimeError(
                        f"stream {stream} has moved {_ENDLESS:,} items, and its peripheral still asks for more: a "
                        "circular transfer to a peripheral needs one that takes its time (timed=True)"
                    )
        finally:
            self._serving = False

    def _move(self, stream: int) -> None:
        """Move one item."""
        state, control = self._streams[stream], self.cr[stream].value
        width = 1 << (control >> 11 & 3)
        try:
            if control & 0xC0 == 0x40:
                self._write_peripheral(state.peripheral, width, self._read_memory(state.memory, width))
            elif control & 0xC0 == 0:
                self._write_memory(state.memory, width, self._read_peripheral(state.peripheral, width))
            else:
                self._write_memory(state.memory, width, self._read_memory(state.peripheral, width))
        except (AccessError, ProgramMemoryError):
            self._fail(stream)
            return
        if control & PINC:
            state.peripheral += 4 if control & PINCOS else width
        if control & MINC:
            state.memory += width
        self._count(stream, 1)

    def _count(self, stream: int, items: int) -> None:
        """Take items off NDTR, and do what comes at the half and at the end."""
        state, before = self._streams[stream], self.ndtr[stream].value
        left = before - items
        self.ndtr[stream].value = left
        flags = HTIF if left <= state.total // 2 < before else 0
        if not left:
            flags |= TCIF
            control = self.cr[stream]
            if control.value & (CIRC | DBM):
                if control.DBM:
                    control.CT ^= 1
                self.ndtr[stream].value = state.total
                self._load(stream)
            else:
                control.EN = 0
        if flags:
            self._flag(stream, flags)

    def _copy(self, stream: int) -> None:
        """Copy from memory to memory: in one piece where that is the same as item by item."""
        state, control, count = self._streams[stream], self.cr[stream].value, self.ndtr[stream].value
        if not count:
            return
        length = count << (control >> 11 & 3)
        apart = abs(state.peripheral - state.memory) >= length
        if control & (PINC | MINC | PINCOS) == PINC | MINC and apart:
            try:
                self.memory.write(state.memory, self.memory.read(state.peripheral, length))
            except (ProgramMemoryError, ValueError):
                pass  # item by item, so that NDTR tells how far it goes
            else:
                self._count(stream, count)
                return
        while self.cr[stream].EN and self.ndtr[stream].value and self.cr[stream].DIR == 2:
            self._move(stream)

    def _fail(self, stream: int) -> None:
        self.cr[stream].EN = 0  # 10.3.18: by hardware
        self._flag(stream, TEIF)

    def _read_memory(self, address: int, width: int) -> int:
        return int.from_bytes(self.memory.read(address, width), "little")

    def _write_memory(self, address: int, width: int, value: int) -> None:
        self.memory.write(address, value.to_bytes(width, "little"))

    def _read_peripheral(self, address: int, width: int) -> int:
        return self._read_memory(address, width) if self._peripheral is None else self._peripheral[0](address, width)

    def _write_peripheral(self, address: int, width: int, value: int) -> None:
        if self._peripheral is None:
            self._write_memory(address, width, value)
        else:
            self._peripheral[1](address, width, value)

    # The registers.

    @cr.written
    def _control(self, stream: int, old: int, new: int) -> None:
        control = self.cr[stream]
        if old & EN:
            control.value = old & ~_WHILE_ENABLED | new & _WHILE_ENABLED
            if not new & EN and self.ndtr[stream].value:
                self._flag(stream, TCIF)  # 10.3.14: a stream that software stops tells so
        elif new & EN:
            self._enable(stream)
        self._update(stream)
        self._serve()

    def _enable(self, stream: int) -> None:
        control, state = self.cr[stream], self._streams[stream]
        problem = "a size of 8 bytes (PSIZE=3)" if control.PSIZE == 3 else "DIR=3" if control.DIR == 3 else None
        if problem or (control.DIR == 2 and control.value & (CIRC | DBM)):
            control.EN = 0
            self._flag(stream, TEIF)  # 10.3.18: a configuration that is not allowed
            return
        state.requests = 0
        state.total = self.ndtr[stream].value & 0xFFFF
        self._load(stream)
        if control.DIR == 2:
            self._copy(stream)

    def _load(self, stream: int) -> None:
        """Begin with the addresses that the registers have."""
        state = self._streams[stream]
        state.peripheral = self.par[stream].value
        second = self.cr[stream].value & (DBM | CT) == DBM | CT
        state.memory = (self.m1ar if second else self.m0ar)[stream].value

    @ndtr.written
    def _set_count(self, stream: int, old: int, new: int) -> None:
        self.ndtr[stream].value = old if self.cr[stream].EN else new & 0xFFFF

    @par.written
    def _set_peripheral(self, stream: int, old: int, new: int) -> None:
        if self.cr[stream].EN:
            self.par[stream].value = old

    @m0ar.written
    def _set_memory_0(self, stream: int, old: int, new: int) -> None:
        control = self.cr[stream].value
        if control & EN and control & (DBM | CT) != DBM | CT:  # 10.3.10: only the one that is not in use
            self.m0ar[stream].value = old

    @m1ar.written
    def _set_memory_1(self, stream: int, old: int, new: int) -> None:
        control = self.cr[stream].value
        if control & EN and control & (DBM | CT) != DBM:
            self.m1ar[stream].value = old

    @lifcr.written
    def _clear_low(self, old: int, new: int) -> None:
        self.lifcr.value = 0  # a half that is written alone must not clear again what the other half did
        self.lisr.value &= ~(new & _CLEARED)
        self._update_all()

    @hifcr.written
    def _clear_high(self, old: int, new: int) -> None:
        self.hifcr.value = 0
        self.hisr.value &= ~(new & _CLEARED)
        self._update_all()

    def _flag(self, stream: int, flags: int) -> None:
        status = self.lisr if stream < 4 else self.hisr
        status.value |= flags << _PLACES[stream % 4]
        self._update(stream)

    def _update(self, stream: int) -> None:
        status = (self.lisr if stream < 4 else self.hisr).value >> _PLACES[stream % 4]
        control = self.cr[stream].value
        self.irqs[stream].set(any(status & flag and control & enable for flag, enable in _ENABLES))

    def _update_all(self) -> None:
        for stream in range(STREAMS):
            self._update(stream)

    # State.

    def snapshot(self) -> dict[str, Any]:
        """Add where the streams are. What is connected to them is not part of it."""
        streams = [[one.total, one.peripheral, one.memory, one.requests] for one in self._streams]
        return super().snapshot() | {"streams": streams}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take it all back, quietly."""
        super().restore(state)
        for one, values in zip(self._streams, state["streams"], strict=True):
            one.total, one.peripheral, one.memory, one.requests = values
