"""Faults in what mmio does to a whole program, whichever engine runs it."""

from typing import Final

from tests.mutants.mutant import MmioMutant

PROGRAM: Final = (
    MmioMutant(
        "a buffer the kernel filled in part is handed on whole",
        "mmio.program.bounce_buffers",
        "                length = min(length, left)\n",
        "",
        "program/test_bounce_buffers.py::test_calls_with_a_trapped_buffer",
    ),
    MmioMutant(
        "what the kernel moves is recorded as the program's",
        "mmio.program.kernel_access",
        "    with marked(bus, KERNEL):\n        yield bus",
        "    yield bus",
        "program/test_bounce_buffers.py::test_calls_with_a_trapped_buffer",
    ),
    MmioMutant(
        "who waits at a lock expects the program's number",
        "mmio.program.locks",
        "changed[2 if waits else 5] = self._numbers[changed[0]]",
        "pass",
        "program/test_bounce_unknown.py::test_a_lock_in_the_page",
    ),
    MmioMutant(
        "a mapping that may only be read is written",
        "mmio.program.device_views",
        "return device if protection & PROT_WRITE else _Guarded(device, start, protection)",
        "return device",
        "program/test_syscalls.py::test_what_programs_do_to_mappings",
    ),
    MmioMutant(
        "a device mapped from an offset on answers from its start",
        "mmio.program.device_views",
        "return _Shifted(device, shift) if shift else device",
        "return device",
        "program/test_device_views.py::test_a_shifted_device_has_its_names",
    ),
    MmioMutant(
        "a file's last page goes on for ever",
        "mmio.program.memory",
        "        if at + width > pages(size):\n            raise BeyondEnd(at)\n",
        "",
        "program/test_memory.py::test_regular_file_ends_where_it_ends",
    ),
    MmioMutant(
        "what is written past the end of a file makes it longer",
        "mmio.program.memory",
        'data = value.to_bytes(width, "little")[: max(room, 0)]',
        'data = value.to_bytes(width, "little")',
        "program/test_memory.py::test_regular_file_ends_where_it_ends",
    ),
    MmioMutant(
        "a port without the right to it is worked",
        "mmio.program.ports",
        "if touched & ~self._rights.granted or not touched & self._traced:",
        "if not touched & self._traced:",
        "program/test_ports.py::test_a_port_without_the_right_to_it_faults",
    ),
    MmioMutant(
        "a range that was trapped counts as never met",
        "mmio.program.process",
        "                self.targets.met.add(other)\n",
        "                pass\n",
        "ptrace/test_tracer.py::test_a_range_is_watched_to_the_byte",
    ),
    MmioMutant(
        "what is left behind a hole in a mapping is not trapped",
        "mmio.program.process",
        "for piece_start, piece_end in ((trapped.start, start), (end, trapped.end)):",
        "for piece_start, piece_end in ((trapped.start, start),):",
        "ptrace/test_tracer.py::test_mappings_are_followed",
    ),
    MmioMutant(
        "a redirected read does not move on",
        "mmio.program.redirect",
        "{0: descriptor, 1: position + done, 2: _SEEK_SET}",
        "{0: descriptor, 1: position, 2: _SEEK_SET}",
        "program/test_redirect.py::test_reads_and_writes_go_to_the_device",
    ),
    MmioMutant(
        "configuration space is read in eight bytes",
        "mmio.program.redirect",
        '4 if path.endswith("/config") else 8',
        "8",
        "program/test_redirect.py::test_configuration_space_is_read_in_words",
    ),
    MmioMutant(
        "only the first of several buffers is given another",
        "mmio.program.syscall_pointers",
        "for at in range(0, len(data), 2 * word)",
        "for at in range(0, 2 * word, 2 * word)",
        "program/test_syscall_buffers.py::test_vectors",
    ),
    MmioMutant(
        "an I2C read is taken for a write",
        "mmio.program.syscall_rules",
        "WRITE if integer(data, at + 2, 2) & 1 else READ",
        "READ if integer(data, at + 2, 2) & 1 else WRITE",
        "program/test_syscall_buffers.py::test_i2c_messages",
    ),
    MmioMutant(
        "real ports can be named beside devices",
        "mmio.program.targeting",
        "if any((target.device is None) != (device is None) for target in self._targets.ports):",
        "if False:",
        "program/test_ports.py::test_what_cannot_be_traced_is_refused",
    ),
    MmioMutant(
        "a file that was matched counts as never met",
        "mmio.program.targets",
        "        self.met.update(found)\n",
        "",
        "program/test_targets.py::test_what_has_been_met_is_remembered",
    ),
    MmioMutant(
        "a redirection that was used counts as never met",
        "mmio.program.targets",
        "                self.met.add(redirection)\n",
        "",
        "program/test_targets.py::test_what_has_been_met_is_remembered",
    ),
    MmioMutant(
        "a library that a pattern matches is trapped",
        "mmio.program.targets",
        "and (t.takes_code or not executable)]",
        "]",
        "program/test_targets.py::test_a_pattern_does_not_mean_code",
    ),
)
