"""Debug and trace registers for firmware: DEMCR, the cycle counter, and printf through ITM."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from mmio.arguments import integer
from mmio.cortex_m.exceptions import Exceptions
from mmio.cortex_m.priorities import DEBUG_MONITOR
from mmio.cortex_m.ticks import Ticks
from mmio.device.device import Device
from mmio.device.field import bit, field
from mmio.device.register import array, register

PORTS: Final = 32
"""Stimulus ports of an ITM."""


class CoreDebug(Device):
    """DHCSR to DEMCR, at 0xE000EDF0: DDI 0403, C1.6. No debugger is there, so C_DEBUGEN reads 0.

    Args:
        exceptions: of the core. DEMCR.MON_EN enables its DebugMonitor exception, and MON_PEND makes it pending.
        tracing_changed: is called after a write of DEMCR, whose TRCENA turns DWT and ITM on.
    """

    dhcsr = register(0x0, access="r")
    dcrsr = register(0x4, access="w")
    dcrdr = register(0x8)
    demcr = register(
        0xC,
        fields=[
            bit("TRCENA", 24),
            bit("MON_REQ", 19),
            bit("MON_STEP", 18),
            bit("MON_PEND", 17),
            bit("MON_EN", 16),
            field("VC", 10, 0),
        ],
    )

    def __init__(self, exceptions: Exceptions, tracing_changed: Callable[[], object]) -> None:
        self._exceptions = exceptions
        self._tracing_changed = tracing_changed

    @demcr.written
    def _write_demcr(self, old: int, new: int) -> None:
        bit_ = 1 << DEBUG_MONITOR
        self._tracing_changed()
        (self._exceptions.enable if self.demcr.MON_EN else self._exceptions.disable)(bit_)
        (self._exceptions.pend_all if self.demcr.MON_PEND else self._exceptions.clear_pending)(bit_)


class Dwt(Device):
    """The cycle counter, and the registers beside it as plain storage: DDI 0403, C1.8. At 0xE0001000.

    CYCCNT counts the ticks of the core clock while CTRL.CYCCNTENA and DEMCR.TRCENA are set.

    Args:
        ticks: of the core clock.
        tracing: returns whether DEMCR.TRCENA is set.
    """

    ctrl = register(
        0x000,
        reset=0x4000_0000,
        fields=[
            field("NUMCOMP", 31, 28, access="r"),
            field("EVENTS", 22, 16),
            bit("PCSAMPLENA", 12),
            field("SYNCTAP", 11, 10),
            bit("CYCTAP", 9),
            field("POSTINIT", 8, 5),
            field("POSTPRESET", 4, 1),
            bit("CYCCNTENA", 0),
        ],
    )
    cyccnt = register(0x004)
    counters = array(0x008, count=5, name="COUNT", doc="CPICNT, EXCCNT, SLEEPCNT, LSUCNT, FOLDCNT")
    pcsr = register(0x01C, access="r")
    comp = array(0x020, count=4, stride=16)
    mask = array(0x024, count=4, stride=16)
    function = array(0x028, count=4, stride=16)
    lar = register(0xFB0, access="w")
    lsr = register(0xFB4, access="r")

    def __init__(self, ticks: Ticks, tracing: Callable[[], object]) -> None:
        self._ticks = ticks
        self._tracing = tracing
        self._counting = False
        self._from = 0
        self.clock = ticks.clock

    def write(self, offset: int, width: int, value: int) -> None:
        """Take a write from the bus. One of a part of CYCCNT leaves the other bits as they are by now."""
        if offset < 8:
            self.update_counter()
        super().write(offset, width, value)

    def update_counter(self) -> None:
        """Bring CYCCNT to the present, and count on from here if it is to count."""
        now = self._ticks.count
        if self._counting:
            self.cyccnt.value = self.cyccnt.value + now - self._from & 0xFFFF_FFFF
        self._from = now
        self._counting = bool(self.ctrl.CYCCNTENA and self._tracing())

    @cyccnt.reads
    def _read_cyccnt(self) -> int:
        self.update_counter()
        return self.cyccnt.value

    @ctrl.written
    def _write_ctrl(self, old: int, new: int) -> None:
        self.update_counter()

    def reset(self) -> None:
        """Put every register to its reset value; nothing counts."""
        self._counting = False
        super().reset()

    def snapshot(self) -> dict[str, Any]:
        """Return the state; the counter is that of now."""
        self.update_counter()
        return super().snapshot()

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take the state of a snapshot, and count on from its counter.

        Args:
            state: as `snapshot` returned it.
        """
        super().restore(state)
        self._counting = False
        self.update_counter()


class Itm(Device):
    """Stimulus ports that keep what is written to them, at 0xE0000000: DDI 0403, C1.7.

    A debugger that listens has turned the unit and all its ports on; so they are here after a reset, and firmware that
    looks before it prints (`ITM_SendChar`) does print. Software may turn them off.

    Attributes:
        on_write: is called with the port's number and the bytes of each write; None for none.
    """

    port = array(0x000, count=PORTS)
    ter = register(0xE00, reset=0xFFFF_FFFF)
    tpr = register(0xE40)
    tcr = register(0xE80, reset=1, fields=[bit("ITMENA", 0)])
    lar = register(0xFB0, access="w")
    lsr = register(0xFB4, access="r")

    def __init__(self) -> None:
        self.on_write: Callable[[int, bytes], object] | None = None
        self._output = [bytearray() for _ in range(PORTS)]

    def output(self, port: int = 0) -> bytes:
        """Return what has been written to a port, in its order; each write as many bytes as it was wide.

        Args:
            port: its number, 0 to 31.
        """
        return bytes(self._output[integer("port", port, 0, PORTS - 1)])

    def clear(self) -> None:
        """Forget what has been written so far."""
        for output in self._output:
            output.clear()

    def write(self, offset: int, width: int, value: int) -> None:
        """Take a write from the bus. The width of one to a port is part of what it says (C1.7.2)."""
        super().write(offset, width, value)
        port = offset // 4
        if port < PORTS and self._on(port):
            data = value.to_bytes(width, "little")
            self._output[port] += data
            if self.on_write is not None:
                self.on_write(port, data)

    @port.reads
    def _ready(self, index: int) -> int:
        # FIFOREADY: there is room, always.
        return int(self._on(index))

    def _on(self, port: int) -> bool:
        return bool(self.tcr.ITMENA and self.ter.value >> port & 1)
