"""SysTick, the system timer: DDI 0403, B3.3; DDI 0419, B3.3."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from mmio.cortex_m.ticks import Ticks
from mmio.device.clock import Timer
from mmio.device.device import Device
from mmio.device.field import bit, field
from mmio.device.register import register

_24: Final = (1 << 24) - 1


def count_down(value: int, reload: int, ticks: int) -> tuple[int, int]:
    """Count ticks: down to 0, from 0 to the reload value.

    Args:
        value: the counter.
        reload: SYST_RVR. With 0 there the counter stays at 0 once it is.
        ticks: how many.

    Returns:
        The counter, and how many times it has counted from 1 to 0.
    """
    if value == 0 and ticks:
        value, ticks = reload, ticks - 1
    if value == 0 or ticks < value:
        return value - ticks if value else 0, 0
    if reload == 0:
        return 0, 1
    rounds, rest = divmod(ticks - value, reload + 1)
    return reload + 1 - rest if rest else 0, 1 + rounds


class SysTick(Device):
    """The system timer.

    The counter is computed when it is read. The clock is asked for a call only while TICKINT is set, one a period.

    Args:
        ticks: of the core clock.
        expired: is called when the counter reaches 0 and TICKINT is set; pends the exception.
        reference: ticks of the external reference clock, which counts while CLKSOURCE is 0. Without one CLKSOURCE
            reads as 1, and SYST_CALIB.NOREF is set.
    """

    csr = register(
        0x0,
        fields=[
            bit("ENABLE", 0),
            bit("TICKINT", 1),
            bit("CLKSOURCE", 2),
            field("RES0_15_3", 15, 3, access="r"),
            bit("COUNTFLAG", 16, access="r", on_read="rclr"),
            field("RES0_31_17", 31, 17, access="r"),
        ],
    )
    rvr = register(0x4, fields=[field("RELOAD", 23, 0), field("RES0_31_24", 31, 24, access="r")])
    cvr = register(0x8, fields=[field("CURRENT", 31, 0, on_write="wclr")])
    calib = register(0xC, access="r", fields=[bit("NOREF", 31), bit("SKEW", 30), field("TENMS", 23, 0)])

    def __init__(self, ticks: Ticks, expired: Callable[[], object], reference: Ticks | None = None) -> None:
        self._ticks = ticks
        self._reference = reference
        self._expired = expired
        self._timer: Timer | None = None
        self._reload = 0
        self._from = 0  # the tick of its source at which the counter had the value in `cvr`
        self.clock = ticks.clock
        for source in (ticks, reference):
            if source is not None:
                source.subscribe(self._schedule)
        self.reset()

    def reset(self) -> None:
        """Stop the counter; all registers are 0, which DDI 0403 leaves UNKNOWN for two of them."""
        super().reset()
        self._reload = 0
        self.csr.CLKSOURCE = int(self._reference is None)
        self.calib.NOREF = int(self._reference is None)
        self._start()

    @csr.reads
    def _read_csr(self) -> int:
        self._count()
        return self.csr.value

    @csr.written
    def _write_csr(self, old: int, new: int) -> None:
        # The ticks until now were those of the old settings.
        self.csr.value = old
        self._count()
        flag = self.csr.value & 1 << 16
        self.csr.value = new & ~(1 << 16) | flag | (4 if self._reference is None else 0)
        self._start()

    @rvr.written
    def _write_rvr(self, old: int, new: int) -> None:
        self._count()
        self._reload = new
        self._start()

    @cvr.reads
    def _read_cvr(self) -> int:
        self._count()
        return self.cvr.value

    @cvr.written
    def _write_cvr(self, old: int, new: int) -> None:
        # B3.3.4: a write of any value clears the register and COUNTFLAG; no exception comes of it.
        self._count()
        self.cvr.value = 0
        self.csr.COUNTFLAG = 0
        self._start()

    @property
    def _source(self) -> Ticks:
        return self._ticks if self._reference is None or self.csr.CLKSOURCE else self._reference

    def _count(self) -> None:
        """Bring the counter and COUNTFLAG to the present."""
        if self.csr.ENABLE:
            now = self._source.count
            value, zeros = count_down(self.cvr.value, self._reload, now - self._from)
            self._from = now
            self.cvr.value = value
            if zeros:
                self.csr.COUNTFLAG = 1

    def _start(self) -> None:
        """Count on from the present value at the present tick."""
        self._from = self._source.count
        self._schedule()

    def _schedule(self) -> None:
        """Ask the clock for a call at the time when the counter reaches 0 next, if TICKINT is set."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.csr.ENABLE and self.csr.TICKINT:
            value = self.cvr.value
            ahead = value or (self._reload + 1 if self._reload else 0)
            if ahead:
                delay = self._source.delay(self._from + ahead)
                self._timer = self._ticks.clock.after(delay, self._expire)

    def _expire(self) -> None:
        self._count()
        self._schedule()
        self._expired()

    def snapshot(self) -> dict[str, Any]:
        """Return the state; the counter is that of now."""
        self._count()
        return super().snapshot()

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take the state of a snapshot, and count on from its counter.

        Args:
            state: as `snapshot` returned it.
        """
        super().restore(state)
        self._reload = self.rvr.value
        self._start()
