"""Faults in what serves a guest."""

from typing import Final

from tests.mutants.mutant import MmioMutant

GUESTS: Final = (
    MmioMutant(
        "a command before the greeting is done",
        "mmio.guests.server",
        "if not self._greeted and message.command != VERSION:",
        "if False:",
        "guests/test_server.py::test_a_stream_that_makes_no_sense",
    ),
    MmioMutant(
        "an access may end beyond its region",
        "mmio.guests.server",
        "or offset + count > size:",
        "or offset >= size:",
        "guests/test_server.py::test_a_command_that_makes_no_sense",
    ),
    MmioMutant(
        "a command that wants no reply gets one",
        "mmio.guests.server",
        "if not message.flags & NO_REPLY:",
        "if True:",
        "guests/test_server.py::test_no_reply",
    ),
    MmioMutant(
        "descriptors that nothing took stay open",
        "mmio.guests.messages",
        "        for descriptor in self.take():\n            os.close(descriptor)",
        "        self.take()",
        "guests/test_server.py::test_descriptors_are_not_kept",
    ),
    MmioMutant(
        "a window may lie over another",
        "mmio.guests.memory",
        "if other.address < address + size and address < other.address + other.size:",
        "if other.address == address:",
        "guests/test_server.py::test_overlapping_windows",
    ),
    MmioMutant(
        "a window may end beyond its file",
        "mmio.guests.memory",
        "if offset + size > status.st_size:",
        "if offset > status.st_size:",
        "guests/test_server.py::test_descriptors_that_lie",
    ),
    MmioMutant(
        "a window that is only read is written",
        "mmio.guests.memory",
        "if window is None or not window.flags & flag:",
        "if window is None:",
        "guests/test_server.py::test_dma_directions",
    ),
    MmioMutant(
        "a line that is still up is not told again",
        "mmio.guests.interrupts",
        "        if action == _UNMASK:\n            self._pass_level_on()\n",
        "",
        "guests/test_server.py::test_intx",
    ),
    MmioMutant(
        "an event whose counter is full holds the device up",
        "mmio.guests.interrupts",
        "with suppress(BlockingIOError):",
        "with suppress():",
        "guests/test_server.py::test_an_event_that_is_full",
    ),
    MmioMutant(
        "a region stays where the guest had it first",
        "mmio.guests.card",
        "            self._place()\n\n    def attach",
        "\n    def attach",
        "guests/test_card.py::test_accesses_are_recorded_where_the_guest_put_the_region",
    ),
    MmioMutant(
        "an access that its instruction does not make is not marked",
        "mmio.guests.card",
        "flags = 0 if instruction is None or makes(instruction, direction, width) else MISFIT",
        "flags = 0",
        "guests/test_card.py::test_an_access_that_does_not_fit_its_instruction",
    ),
    MmioMutant(
        "a model reads this process before its guest comes",
        "mmio.guests.card",
        "        function.memory = GuestMemory()  # none until there is a guest\n",
        "",
        "guests/test_card.py::test_no_memory_without_a_guest",
    ),
    MmioMutant(
        "output is lost where the mark is cut in two",
        "mmio.guests.control",
        "pass_on(len(data) - _TAIL)",
        "pass_on(len(data))",
        "guests/test_control.py::test_a_mark_in_two_parts",
    ),
    MmioMutant(
        "a source that is switched off is a mirror",
        "mmio.guests.debian",
        ' and fields.get("enabled", "yes").strip().lower() != "no"',
        "",
        "guests/test_debian.py::test_the_mirror_of_the_machine",
    ),
    MmioMutant(
        "a return address is looked up behind the call",
        "mmio.guests.orc",
        "return self.ip - self.returned",
        "return self.ip",
        "guests/test_callers.py::test_an_instruction_that_calls_last",
    ),
    MmioMutant(
        "the frame of an interrupt is unwound as that of a call",
        "mmio.guests.orc",
        "if base not in (_SP, _BP) or kind not in _CALLS:",
        "if base not in (_SP, _BP):",
        "guests/test_callers.py::test_what_is_not_known_is_not_guessed",
    ),
    MmioMutant(
        "a guest of other modules gets the snapshot",
        "mmio.guests.snapshots",
        "        parts.drivers.commands,\n",
        "",
        "guests/test_snapshots.py::test_guests_that_differ",
    ),
)
