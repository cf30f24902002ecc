"""Faults in what mmio records, and in what it does with many records."""

from typing import Final

from tests.mutants.mutant import MmioMutant

RECORDS: Final = (
    MmioMutant(
        "two flags share a bit",
        "mmio.records.flags",
        "KERNEL: Final = 64",
        "KERNEL: Final = 32",
        "records/test_flags.py::test_each_flag_is_a_bit_of_its_own",
    ),
    MmioMutant(
        "a loop of which a turn differs goes on",
        "mmio.records.loops",
        "written = access.value if access.writes else None",
        "written = None",
        "records/test_loops.py::test_reads_of_a_loop_may_differ_in_value_only",
    ),
    MmioMutant(
        "elements of a block are numbered from the last",
        "mmio.records.rows",
        "rows[row + _VALUE + byte :: stride] = self.data[byte :: self.width]",
        "rows[row + _VALUE + byte :: stride] = self.data[byte :: self.width][::-1]",
        "records/test_rows.py::test_a_block_is_its_accesses",
    ),
    MmioMutant(
        "two traces that differ in values are the same",
        "mmio.traces.diff",
        "access.width, access.value, access.old",
        "access.width, access.old",
        "traces/test_diff.py::test_each_attribute_makes_a_difference",
    ),
    MmioMutant(
        "an expected access of another width matches",
        "mmio.traces.expected",
        "if self.width and self.width != access.width:",
        "if False:",
        "traces/test_expect.py::test_anything_else_does_not_match",
    ),
    MmioMutant(
        "a strict replay takes any value",
        "mmio.traces.replay",
        "or value not in (None, step.value):",
        "or False:",
        "traces/test_replay.py::test_strict_replay_refuses_anything_else",
    ),
    MmioMutant(
        "a replayed atomic reads what was written",
        "mmio.traces.replay",
        "answer = access.value if access.old is None else access.old",
        "answer = access.value",
        "traces/test_replay.py::test_strict_replay_of_the_same_accesses",
    ),
    MmioMutant(
        "until counts its own time in",
        "mmio.traces.selection",
        "access.time < self.until",
        "access.time <= self.until",
        "traces/test_view.py::test_filter_passes_what_meets_every_criterion",
    ),
    MmioMutant(
        "direction=READ leaves atomics out",
        "mmio.traces.selection",
        "access.direction & self.direction == self.direction",
        "access.direction == self.direction",
        "traces/test_selection.py::test_an_atomic_is_read_and_write",
    ),
    MmioMutant(
        "the summary's last value is the first",
        "mmio.traces.summary",
        "self.last = max(self.last, last, key=_sequence)",
        "pass",
        "traces/test_summary.py::test_counts_each_register",
    ),
    MmioMutant(
        "the value an atomic read is forgotten",
        "mmio.traces.trace",
        "row = _pack(monotonic_ns(), address, self._aside(address, width, value, old), self._number(*shared, True))",
        "row = _pack(monotonic_ns(), address, value, self._number(*shared))",
        "traces/test_trace.py::test_atomic_keeps_both_values",
    ),
    MmioMutant(
        "a record is given to the site of another thread",
        "mmio.traces.trace",
        "id(region), flags, thread, extra)",
        "id(region), flags, extra)",
        "traces/test_trace.py::test_what_differs_in_one_thing_is_told_apart",
    ),
    MmioMutant(
        "a record with another flag looks like the one before",
        "mmio.traces.trace",
        "id(region), flags, thread, extra)",
        "id(region), thread, extra)",
        "traces/test_trace.py::test_what_differs_in_one_thing_is_told_apart",
    ),
    MmioMutant(
        "a bounded trace does not say what it dropped",
        "mmio.traces.trace",
        "self._first_row += length // ROW.size",
        "pass",
        "traces/test_trace.py::test_bounded_trace_keeps_the_last",
    ),
)
