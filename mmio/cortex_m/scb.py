"""System control block, as far as ARMv6-M and ARMv7-M share it: DDI 0403, B3.2; DDI 0419, B3.2.

ICSR, SHCSR and the priorities are views of the state in `Exceptions`.
"""

from collections.abc import Callable
from typing import ClassVar, Final

from mmio.cortex_m.exceptions import Exceptions
from mmio.cortex_m.priorities import EXTERNAL, HARD_FAULT, NMI, PENDSV, SVCALL, SYSTICK
from mmio.device.device import Device
from mmio.device.field import Field, bit, field
from mmio.device.line import line
from mmio.device.register import array, register

VECTKEY: Final = 0x05FA
"""What a write to AIRCR must have in its upper half."""

VECTKEYSTAT: Final = 0xFA05
"""What a read of AIRCR has there."""

FIRST: Final = 4  # the exception whose priority is the first byte of SHPR1


def flags(**places: int) -> list[Field]:
    """Declare fields of one bit that can be read and written.

    Args:
        places: number of the bit, by the field's name.
    """
    return [bit(name, place, access="rw") for name, place in places.items()]


class SystemControlBlock(Device):
    """The registers from 0xE000ED00 on, in ARMv6-M.

    Args:
        exceptions: of the core.
        cpuid: the value of CPUID.
        reset_requested: is called when software sets AIRCR.SYSRESETREQ.

    Attributes:
        sysresetreq: the line of that name; asserted from the request until `reset`.
    """

    cpuid = register(
        0x00,
        access="r",
        fields=[
            field("IMPLEMENTER", 31, 24),
            field("VARIANT", 23, 20),
            field("ARCHITECTURE", 19, 16),
            field("PARTNO", 15, 4),
            field("REVISION", 3, 0),
        ],
    )
    # A read leaves nothing and a write is gone after its handler: what is stored here is always 0.
    icsr = register(
        0x04,
        on_read="rclr",
        fields=[
            field("VECTACTIVE", 8, 0, access="r"),
            bit("RETTOBASE", 11, access="r"),
            field("VECTPENDING", 20, 12, access="r"),
            bit("ISRPENDING", 22, access="r"),
            bit("ISRPREEMPT", 23, access="r"),
            bit("PENDSTCLR", 25, access="w"),
            bit("PENDSTSET", 26),
            bit("PENDSVCLR", 27, access="w"),
            bit("PENDSVSET", 28),
            bit("NMIPENDSET", 31),
        ],
    )
    vtor = register(0x08, access="r", fields=[field("TBLOFF", 31, 7, access="rw")])
    aircr = register(
        0x0C,
        reset=VECTKEYSTAT << 16,
        fields=[
            bit("VECTRESET", 0),
            bit("VECTCLRACTIVE", 1),
            bit("SYSRESETREQ", 2),
            field("PRIGROUP", 10, 8),
            bit("ENDIANNESS", 15, access="r"),
            field("VECTKEY", 31, 16),
        ],
    )
    scr = register(0x10, access="r", fields=flags(SLEEPONEXIT=1, SLEEPDEEP=2, SEVONPEND=4))
    ccr = register(0x14, access="r", reset=0x208, fields=[bit("UNALIGN_TRP", 3), bit("STKALIGN", 9)])
    shpr = array(0x18, count=12, width=1)
    shcsr = register(0x24, access="r", fields=flags(SVCALLPENDED=15))
    sysresetreq = line("SYSRESETREQ")

    _shcsr_pending: ClassVar[dict[int, int]] = {15: SVCALL}
    _shcsr_enabled: ClassVar[dict[int, int]] = {}
    _shcsr_active: ClassVar[dict[int, int]] = {}

    def __init__(self, exceptions: Exceptions, cpuid: int, reset_requested: Callable[[], object]) -> None:
        self._exceptions = exceptions
        self._cpuid = cpuid
        self._reset_requested = reset_requested

    def write(self, offset: int, width: int, value: int) -> None:
        """Take a write from the bus. One of a part of SHCSR leaves the other bits as they are by now."""
        if 0x20 <= offset < 0x28:
            self.shcsr.read()
        super().write(offset, width, value)

    @cpuid.reads
    def _read_cpuid(self) -> int:
        return self._cpuid

    @icsr.reads
    def _read_icsr(self) -> int:
        state = self._exceptions
        value = state.ipsr | (state.unmasked_pending() or 0) << 12
        if len(state.active) <= 1 and state.architecture == "v7-M":
            value |= 1 << 11
        for place, shown in (
            (22, state.pending >> EXTERNAL),
            (26, state.pending >> SYSTICK & 1),
            (28, state.pending >> PENDSV & 1),
            (31, state.pending >> NMI & 1),
        ):
            value |= bool(shown) << place
        return value

    @icsr.written
    def _write_icsr(self, old: int, new: int) -> None:
        self.icsr.value = 0
        self._exceptions.clear_pending((new >> 25 & 1) << SYSTICK | (new >> 27 & 1) << PENDSV)
        self._exceptions.pend_all(
            (new >> 26 & 1) << SYSTICK | (new >> 28 & 1) << PENDSV | (new >> 31) << NMI,
        )

    @aircr.written
    def _write_aircr(self, old: int, new: int) -> None:
        # B3.2.6: without the key a write is ignored.
        self.aircr.value = old
        if new >> 16 != VECTKEY:
            return
        if self._exceptions.architecture == "v7-M":
            self.aircr.PRIGROUP = new >> 8 & 7
            self._exceptions.prigroup = new >> 8 & 7
        if new & 4:
            self.sysresetreq.set(True)
            self._reset_requested()

    @scr.written
    def _write_scr(self, old: int, new: int) -> None:
        self._exceptions.sev_on_pend = bool(self.scr.SEVONPEND)

    @shpr.reads
    def _priority(self, index: int) -> int:
        return self._exceptions.priority(FIRST + index) if self._has_priority(FIRST + index) else 0

    @shpr.written
    def _set_priority(self, index: int, old: int, new: int) -> None:
        if self._has_priority(FIRST + index):
            self._exceptions.set_priority(FIRST + index, new)

    def _has_priority(self, number: int) -> bool:
        return number > HARD_FAULT and bool(self._exceptions.exist >> number & 1)

    @shcsr.reads
    def _read_shcsr(self) -> int:
        state = self._exceptions
        active = sum(1 << number for number in state.active)
        return sum(
            (mask >> number & 1) << place
            for mask, places in (
                (state.pending, self._shcsr_pending),
                (state.enabled, self._shcsr_enabled),
                (active, self._shcsr_active),
            )
            for place, number in places.items()
        )

    @shcsr.written
    def _write_shcsr(self, old: int, new: int) -> None:
        state = self._exceptions
        pending, enabled = (
            {value: sum(1 << n for place, n in places.items() if new >> place & 1 == value) for value in (0, 1)}
            for places in (self._shcsr_pending, self._shcsr_enabled)
        )
        state.clear_pending(pending[0])
        state.disable(enabled[0])
        state.enable(enabled[1])
        state.pend_all(pending[1])
