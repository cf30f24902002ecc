"""Faults in mmio's faults, and in the guards around drivers."""

from typing import Final

from tests.mutants.mutant import MmioMutant

MISBEHAVING: Final = (
    MmioMutant(
        "a fault begins an access early",
        "mmio.faults.armed",
        "seen <= self._after.count if",
        "seen < self._after.count if",
        "faults/test_armed.py::test_when_it_happens",
    ),
    MmioMutant(
        "the short way of a stuck register begins a read late",
        "mmio.faults.ways",
        "if number <= first or number >= end:",
        "if number <= first + 1 or number >= end:",
        "faults/test_ways.py::test_short_ways_do_what_the_general_way_does",
    ),
    MmioMutant(
        "the short way of a late bit does not count the read",
        "mmio.faults.ways",
        "armed.since += 1",
        "pass",
        "faults/test_ways.py::test_short_ways_do_what_the_general_way_does",
    ),
    MmioMutant(
        "an accessor does not count the reads of a fault that waits",
        "mmio.faults.accessors",
        "        time._now, armed.reads = now, reads\n",
        "        time._now = now\n",
        "inprocess/test_accessors.py::test_each_fault_with_each_clause",
    ),
    MmioMutant(
        "an accessor of a fault that waits for one access begins one late",
        "mmio.faults.accessors",
        "first, end = span.count + (armed.fault.at is None)",
        "first, end = span.count + 1",
        "inprocess/test_accessors.py::test_each_fault_with_each_clause",
    ),
    MmioMutant(
        "an accessor writes when a timer is due, and does not call it",
        "mmio.device.accessor",
        "        if now >= time._alarm:\n            return method(offset, width, value)\n",
        "",
        "inprocess/test_accessors.py::test_each_fault_with_each_clause",
    ),
    MmioMutant(
        "chance does not depend on the seed",
        "mmio.faults.armed",
        "return block(seed, ",
        "return block(0 * seed, ",
        "faults/test_armed.py::test_chance_is_the_seeds",
    ),
    MmioMutant(
        "the chances drawn are no part of a snapshot",
        "mmio.faults.armed",
        '"interrupts", "drawn", "applied"',
        '"interrupts", "applied"',
        "faults/test_armed.py::test_a_restored_state_goes_on_the_same",
    ),
    MmioMutant(
        "a lost interrupt comes when the device asserts the line again without an edge",
        "mmio.faults.lines",
        "rises = level and not self.asserted",
        "rises = level",
        "faults/test_lines.py::test_a_lost_interrupt_is_not_told_and_the_line_stays_low",
    ),
    MmioMutant(
        "a pulse on a line is seen by the first subscriber only",
        "mmio.faults.lines",
        "                    self._pulse = level\n",
        "                    self._pulse = level and subscriber is self.line._subscribers[0]\n",
        "faults/test_lines.py::test_a_spurious_interrupt_may_come_at_a_time",
    ),
    MmioMutant(
        "an overrun is shown for ever",
        "mmio.faults.faulty",
        "armed.pending = 0",
        "pass",
        "faults/test_faulty.py::test_an_overrun_loses_what_is_next_and_shows_a_flag_once",
    ),
    MmioMutant(
        "blocks get round faults",
        "mmio.faults.faulty",
        "return lambda offset, length: None if self._concerned(offset, length) else found(offset, length)",
        "return found",
        "faults/test_faulty.py::test_blocks_and_updates_do_not_get_round_a_fault",
    ),
    MmioMutant(
        "what is late stays late after a write no more",
        "mmio.faults.faulty",
        "            for armed in self._late:\n                armed.begin_again()\n            try:",
        "            try:",
        "faults/test_faulty.py::test_what_is_late_comes_after_so_many_reads_of_each_command",
    ),
    MmioMutant(
        "garbage is put in enumerations, too",
        "mmio.faults.resets",
        "random.choice(sorted(field.enum)) if field.enum else random.getrandbits(field.width)",
        "random.getrandbits(field.width)",
        "faults/test_resets.py::test_fields_are_random_within_what_they_may_be",
    ),
    MmioMutant(
        "negative times are taken",
        "mmio.faults.grammar",
        'if match[1].startswith("-"):',
        'if match[1].startswith("+"):',
        "faults/test_grammar.py::test_nonsense_is_refused_where_it_stands",
    ),
    MmioMutant(
        "fields that are neither read nor written are not reserved",
        "mmio.strategies.guards",
        'if field.access != "na")',
        "if field.access)",
        "strategies/test_guards.py::test_a_field_that_is_neither_read_nor_written_is_reserved",
    ),
    MmioMutant(
        "a poll ends with each read",
        "mmio.strategies.guards",
        "count = count + 1 if shown == value else 1",
        "count = 1",
        "strategies/test_guards.py::test_a_poll_has_an_end",
    ),
)
