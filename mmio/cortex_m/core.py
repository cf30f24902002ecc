"""A Cortex-M core without its instructions: exceptions, system timer, and the registers that software sees of them.

The instructions are those of firmware compiled for the host. The board maps `blocks`, hears of `changed`, and runs
handlers:

    while (number := core.take()) is not None:
        handlers[number]()
        core.leave(number)
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from mmio.arguments import integer, shortened
from mmio.cortex_m.debug import CoreDebug, Dwt, Itm
from mmio.cortex_m.exceptions import Exceptions, numbers
from mmio.cortex_m.intrinsics import BASE, Intrinsics
from mmio.cortex_m.nvic import Nvic, SoftwareTrigger
from mmio.cortex_m.priorities import SYSTICK, Architecture
from mmio.cortex_m.scb import SystemControlBlock
from mmio.cortex_m.scb_v7 import SystemControlBlockV7
from mmio.cortex_m.systick import SysTick
from mmio.cortex_m.ticks import Ticks
from mmio.cortex_m.units import AuxiliaryControl, Fpu, Mpu
from mmio.device.clock import Clock
from mmio.device.device import Device
from mmio.errors import MmioError

CORTEX_M4: Final = 0x410F_C241
"""CPUID of a Cortex-M4 r0p1 (DDI 0439)."""

CORTEX_M0_PLUS: Final = 0x410C_C601
"""CPUID of a Cortex-M0+ r0p1 (DDI 0484)."""

_NAPS: Final = 1_000_000  # calls of the clock after which a sleep is taken for one that nothing ends


class ResetRequested(MmioError):
    """The firmware requested a system reset (AIRCR.SYSRESETREQ), and no reset is configured."""


class SleepForever(MmioError, RuntimeError):
    """The firmware sleeps, and no event can wake it."""


class CoreBlock(NamedTuple):
    """A device of the core, and where it belongs.

    Attributes:
        name: of the device, that of CMSIS.
        base: its address.
        device: the device.
    """

    name: str
    base: int
    device: Device

    @property
    def length(self) -> int:
        """Bytes from the base to the end of the last register."""
        return self.device.layout.extent

    @property
    def addresses(self) -> range:
        """The addresses of its registers."""
        return range(self.base, self.base + self.length)


class Core(Exceptions):
    """A core: its exceptions, and the devices through which software sees them.

    Args:
        architecture: "v7-M" (Cortex-M3, M4, M7) or "v6-M" (Cortex-M0, M0+, M1).
        clock: the time; one of its own when left out.
        frequency: of the core clock (HCLK, FCLK) in Hz. May be changed later, as `frequency`.
        reference: of SysTick's external clock in Hz, or None where there is none; on an STM32, an eighth of the other.
        interrupts: external ones; 240 or, in ARMv6-M, 32 when left out.
        priority_bits: implemented in each priority; 4 or, in ARMv6-M, 2 when left out.
        fpu: whether there is a floating-point unit, ARMv7-M only.
        cpuid: the value of CPUID; a Cortex-M4's or M0+'s when left out.

    Attributes:
        on_reset: is called when the firmware sets SYSRESETREQ. None: ResetRequested is raised.
        systick: the system timer, a `SysTick`.
        nvic: the interrupt controller's registers, an `Nvic`.
        scb: the system control block, a `SystemControlBlock`.
        dwt: the cycle counter, a `Dwt`; it counts in ARMv6-M too, where software cannot see it.
        itm: the stimulus ports, an `Itm`.
        intrinsics: the registers behind the intrinsics of CMSIS, an `Intrinsics`.
    """

    def __init__(
        self,
        architecture: Architecture = "v7-M",
        clock: Clock | None = None,
        frequency: int = 16_000_000,
        reference: int | None = None,
        interrupts: int | None = None,
        priority_bits: int | None = None,
        fpu: bool = True,
        cpuid: int | None = None,
    ) -> None:
        if clock is not None and not isinstance(clock, Clock):
            raise TypeError(f"clock is a Clock, not {shortened(clock)}")
        small = architecture == "v6-M"
        super().__init__(
            architecture,
            (32 if small else 240) if interrupts is None else interrupts,
            (2 if small else 4) if priority_bits is None else priority_bits,
        )
        self.clock = Clock() if clock is None else clock
        self._ticks = Ticks(self.clock, frequency)
        if reference is not None:
            reference = integer("reference", reference, least=1)
        self._reference = None if reference is None else Ticks(self.clock, reference)
        self.on_reset: Callable[[], object] | None = None
        number = integer("cpuid", (CORTEX_M0_PLUS if small else CORTEX_M4) if cpuid is None else cpuid, 0, 0xFFFF_FFFF)
        self.systick = SysTick(self._ticks, self._systick_expired, self._reference)
        self.nvic = Nvic(self)
        self.scb: SystemControlBlock = (
            SystemControlBlock(self, number, self._reset_requested)
            if small
            else SystemControlBlockV7(self, number, self._reset_requested, fpu)
        )
        self.debug = CoreDebug(self, lambda: self.dwt.update_counter())
        self.dwt = Dwt(self._ticks, lambda: self.debug.demcr.TRCENA)
        self.itm = Itm()
        self.intrinsics = Intrinsics(self)
        self.intrinsics.on_wait = self.sleep
        self.intrinsics.on_wait_for_event = self.sleep_until_event
        blocks: list[tuple[str, int, Device]] = [
            ("SCnSCB", 0xE000_E000, AuxiliaryControl(self.interrupts)),
            ("SysTick", 0xE000_E010, self.systick),
            ("NVIC", 0xE000_E100, self.nvic),
            ("SCB", 0xE000_ED00, self.scb),
            ("CoreDebug", 0xE000_EDF0, self.debug),
            ("Intrinsics", BASE, self.intrinsics),
        ]
        if not small:
            blocks += [
                ("ITM", 0xE000_0000, self.itm),
                ("DWT", 0xE000_1000, self.dwt),
                ("MPU", 0xE000_ED90, Mpu()),
                ("STIR", 0xE000_EF00, SoftwareTrigger(self)),
            ]
            if fpu:
                blocks.append(("FPU", 0xE000_EF30, Fpu()))
        self._blocks = tuple(CoreBlock(*block) for block in blocks)
        for _, _, device in self._blocks:
            device.clock = self.clock

    def blocks(self) -> tuple[CoreBlock, ...]:
        """Return the devices of the core: name, base address, device; the names are those of CMSIS."""
        return self._blocks

    @property
    def frequency(self) -> int:
        """The core clock in Hz. Assign another when firmware changes its PLL; counters continue from where they are."""
        return self._ticks.frequency

    @frequency.setter
    def frequency(self, frequency: int) -> None:
        self._ticks.frequency = frequency

    @property
    def reference(self) -> int | None:
        """SysTick's external clock in Hz; None where there is none. Can be changed only where there is one."""
        return None if self._reference is None else self._reference.frequency

    @reference.setter
    def reference(self, frequency: int) -> None:
        if self._reference is None:
            raise ValueError(
                "this core has no external reference clock; make it with one, as Core(reference=2_000_000)"
            )
        self._reference.frequency = frequency

    @property
    def sleeps_on_exit(self) -> bool:
        """SCR.SLEEPONEXIT: the board is to call `sleep` when the last handler has returned (DDI 0403, B1.5.18)."""
        return bool(self.scb.scr.SLEEPONEXIT)

    def fault(self, number: int) -> int:
        """Make a synchronous exception pending, as `Exceptions.fault`; HFSR.FORCED tells that it has escalated.

        Args:
            number: of the exception.

        Returns:
            The number of the one that is pending now.

        Raises:
            LockupError: not even a HardFault can be taken.
        """
        taken = super().fault(number)
        if taken != number and isinstance(self.scb, SystemControlBlockV7):
            self.scb.hfsr.FORCED = 1
        return taken

    def sleep(self) -> None:
        """Advance the clock from event to event until one wakes the core: WFI (DDI 0403, B1.5.19).

        Raises:
            SleepForever: nothing is due that could wake it.
        """
        self._sleep("WFI", self.wakes)

    def sleep_until_event(self) -> None:
        """Advance the clock until the event register is set or an exception is due: WFE (DDI 0403, B1.5.18).

        Raises:
            SleepForever: nothing is due that could wake it.
        """
        self._sleep("WFE", lambda: self.event or self.due() is not None)

    def _sleep(self, instruction: str, awake: Callable[[], bool]) -> None:
        # The board may run handlers as soon as it hears of a change. What woke the core is no longer pending then.
        left, taken = _NAPS, self.taken
        while self.taken == taken and not awake():
            if not left or not self.clock.advance_to_next():
                why = f"{_NAPS} timers have expired and none" if not left else "no timer is running, and nothing"
                raise SleepForever(
                    f"the firmware sleeps ({instruction}) at {self.clock.now} ns: {why} makes an enabled interrupt "
                    f"pending (pending now, enabled or not: {self._named(self.pending)}; enabled: "
                    f"{self._named(self.enabled & ~self.always_enabled)})"
                )
            left -= 1

    @staticmethod
    def _named(mask: int) -> str:
        return ", ".join(map(str, numbers(mask))) or "none"

    def reset(self) -> None:
        """Reset the core and all its devices. Lines keep their levels, time continues, what ITM has collected stays."""
        self.clear()
        for block in self._blocks:
            block.device.reset()

    def snapshot(self) -> dict[str, Any]:
        """Return the state of the core and its devices, fit for JSON."""
        blocks = {block.name: block.device.snapshot() for block in self._blocks}
        return {"exceptions": super().snapshot(), "blocks": blocks}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restore what `snapshot` of a core like this returned, quietly.

        Args:
            state: as `snapshot` returned it.

        Raises:
            ValueError: it is of another core.
        """
        if not {"exceptions", "blocks"} <= state.keys() or state["blocks"].keys() != {b.name for b in self._blocks}:
            raise ValueError(f"no snapshot of a {self.architecture} core with the same devices")
        super().restore(state["exceptions"])
        for block in self._blocks:
            block.device.restore(state["blocks"][block.name])

    def _systick_expired(self) -> None:
        self.pend(SYSTICK)

    def _reset_requested(self) -> None:
        if self.on_reset is None:
            raise ResetRequested(
                "the firmware asked for a reset, by AIRCR.SYSRESETREQ; set on_reset of the core to carry it out"
            )
        self.on_reset()
