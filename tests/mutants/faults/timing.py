"""Faults in clocks, in the time of programs, and in what a line leads to."""

from typing import Final

from tests.mutants.mutant import MmioMutant

_TIME: Final = "program/test_virtual_time.py::"
_UIO: Final = "program/test_uio_opens.py::test_counts_masks_and_errors_are_those_of_uio"
_SOURCE: Final = "interrupts/test_source.py::test_interrupts_are_those_of_the_obvious_model"

TIMING: Final = (
    MmioMutant(
        "a write does not end a poll",
        "mmio.device.timed",
        "            last.clear()\n",
        "",
        "device/test_time_policy.py::test_only_polls_take_time",
    ),
    MmioMutant(
        "a restored clock keeps the timers made since",
        "mmio.device.clock",
        "        for _, _, timer in self._heap:\n            timer._due = None\n",
        "",
        "device/test_checkpoint.py::test_timers_made_since_are_gone_and_those_made_before_are_back",
    ),
    MmioMutant(
        "a level-triggered interrupt does not mask itself",
        "mmio.interrupts.source",
        "        self._masked = self._automask\n",
        "",
        _SOURCE,
    ),
    MmioMutant(
        "VFIO unmasks before there is a trigger",
        "mmio.interrupts.vfio",
        "        if not self._enabled and flags != DATA_EVENTFD | ACTION_TRIGGER:\n",
        "        if not self._enabled and flags == DATA_NONE | ACTION_TRIGGER:\n",
        "interrupts/test_descriptors.py::test_vfio_refuses_what_the_kernel_refuses",
    ),
    MmioMutant(
        "an edge that comes while masked is forgotten",
        "mmio.interrupts.source",
        "                self._pending = True\n",
        "                pass\n",
        _SOURCE,
    ),
    MmioMutant(
        "a UIO read of any size is taken",
        "mmio.program.uio_opens",
        " or call.arguments[2] != COUNT.size",
        "",
        _UIO,
    ),
    MmioMutant(
        "a UIO device opened without waiting waits",
        "mmio.program.uio_opens",
        "(os.O_CLOEXEC | os.O_NONBLOCK)",
        "os.O_CLOEXEC",
        _UIO,
    ),
    MmioMutant(
        "a program keeps the vdso's clock",
        "mmio.ptrace.auxiliary_vector",
        "_IGNORE.to_bytes(width",
        "SYSINFO_EHDR.to_bytes(width",
        f"{_TIME}test_a_loop_that_asks_the_time_gets_there",
    ),
    MmioMutant(
        "asking the time takes none",
        "mmio.program.virtual_time",
        "        self.clock.spend(READING)\n",
        "",
        f"{_TIME}test_a_loop_that_asks_the_time_gets_there",
    ),
    MmioMutant(
        "time goes on while a thread is awake",
        "mmio.ptrace.virtual_waits",
        "        return before is not None and self._sleeps() == before\n",
        "        return True\n",
        f"{_TIME}test_events_of_threads_come_in_the_order_of_their_times",
    ),
    MmioMutant(
        "a call made again after a signal waits anew",
        "mmio.program.time_stop",
        "return self.time.clock.now + duration if self._restarted is None else self._restarted",
        "return self.time.clock.now + duration",
        f"{_TIME}test_a_signal_without_a_handler_does_not_lengthen_a_wait",
    ),
)
