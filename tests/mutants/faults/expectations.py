"""Faults in expectations, golden traces and tables of traces."""

from typing import Final

from tests.mutants.mutant import MmioMutant

EXPECTATIONS: Final = (
    MmioMutant(
        "a poll goes on where the next expectation holds",
        "mmio.traces.matching",
        "and not any(end.matches(access) for end in edge.ends)",
        "and True",
        "traces/test_matching.py::test_a_poll_ends_where_the_next_expectation_holds",
    ),
    MmioMutant(
        "what must never come may",
        "mmio.traces.matching",
        "forbidden = (*forbidden, item)",
        "forbidden = forbidden",
        "traces/test_matching.py::test_items",
    ),
    MmioMutant(
        "in any order a step is taken for good",
        "mmio.traces.matching",
        "stack.append((holder[slot], iter(fitting[holder[slot]])))",
        "return False",
        "traces/test_matching.py::test_an_assignment_gives_back_what_it_took",
    ),
    MmioMutant(
        "a group of which the first access ends the repetition goes on",
        "mmio.traces.matching",
        "self._guarded(start, end, ends) if ends else start",
        "start",
        "traces/test_matching.py::test_items",
    ),
    MmioMutant(
        "a mask is not applied",
        "mmio.traces.expected",
        "            value &= self.mask\n",
        "            pass\n",
        "traces/test_expect.py::test_fields_masks_counts_and_orders",
    ),
    MmioMutant(
        "a name that no device has is taken",
        "mmio.traces.known",
        'if not self.whole or self.has(name):\n            return ""',
        'if True:\n            return ""',
        "traces/test_expect.py::test_a_name_no_device_has_is_refused",
    ),
    MmioMutant(
        "a golden file's volatile field is compared",
        "mmio.traces.golden",
        "bits |= (1 << msb + 1) - (1 << lsb)",
        "bits |= 0",
        "traces/test_golden.py::test_what_differs_between_right_runs_is_no_difference",
    ),
    MmioMutant(
        "a golden file of another device is compared",
        "mmio.traces.golden",
        "if kept.regions and there and not kept.regions & there:",
        "if False:",
        "traces/test_golden.py::test_another_devices_file_is_one_clear_error",
    ),
    MmioMutant(
        "a golden file of a device with other registers is compared",
        "mmio.traces.golden",
        "if registers and known.whole and not any(",
        "if registers and known.whole and any(",
        "traces/test_golden.py::test_a_file_of_a_device_that_is_called_the_same",
    ),
    MmioMutant(
        "a pattern that nothing fits chooses nothing",
        "mmio.traces.known",
        "if not self.whole or any(fits(name, pattern)",
        "if self.whole or any(fits(name, pattern)",
        "traces/test_known.py::test_a_pattern_that_nothing_fits",
    ),
    MmioMutant(
        "a golden name may have a folder",
        "mmio.traces.golden",
        'r"[\\w+=,@-][\\w+=,@. -]{0,149}"',
        'r"[/\\w+=,@-][/\\w+=,@. -]{0,149}"',
        "traces/test_golden.py::test_a_name_that_could_lead_elsewhere_is_refused",
    ),
    MmioMutant(
        "times of a table count from another beginning",
        "mmio.formats.arrow",
        "    if columns.began:\n",
        "    if False:\n",
        "formats/test_arrow.py::test_packed_rows_are_the_accesses",
    ),
    MmioMutant(
        "columns of a part begin at the first row",
        "mmio.traces.columns",
        "start, stop = (first - self._first) * ROW.size,",
        "start, stop = 0 * ROW.size,",
        "traces/test_columns.py::test_columns_of_packed_rows",
    ),
    MmioMutant(
        "an inlined call has the line of its function",
        "mmio.records.inlined",
        'lines = ["", *(scope.line or "" for scope in around)]',
        'lines = [scope.line or "" for scope in around]',
        "records/test_inlined.py::test_calls_are_those_of_the_symbolizer",
    ),
    MmioMutant(
        "the name of a value fits every field of the register",
        "mmio.traces.expected",
        "            return (name, self.value) in shown\n",
        "            return self.value in {text for _, text in shown}\n",
        "traces/test_expect.py::test_a_value_of_a_field_has_a_name",
    ),
    MmioMutant(
        "a filter takes values that no field has",
        "mmio.traces.selection",
        "                problem = problem or known().wrong_value(name, place.value)\n",
        "                pass\n",
        "traces/test_expect.py::test_a_filter_of_a_value_that_does_not_fit_is_refused",
    ),
)
