"""Faults in the coverage of devices, in documents made of them, and in blocks, FIFOs and banks of registers."""

from typing import Final

from tests.mutants.mutant import MmioMutant

COVERAGE: Final = (
    MmioMutant(
        "a field is covered by an access to half of it",
        "mmio.coverage.stream",
        "            if not field.mask & ~lanes and watched.counted.writable:\n",
        "            if field.mask & lanes and watched.counted.writable:\n",
        "coverage/test_device.py::test_half_a_field_is_not_covered",
    ),
    MmioMutant(
        "what a write clears is taken for what it stores",
        "mmio.coverage.stream",
        "effects.after_write(self._values[index], moved, lanes & ~self._locked[index])",
        "self._values[index] & ~lanes | moved",
        "coverage/test_device.py::test_writes_have_their_declared_effects",
    ),
    MmioMutant(
        "a device that is mapped anew goes on with its old values",
        "mmio.coverage.reading",
        "        if stream is not None:\n            stream.restart()\n",
        "",
        "coverage/test_device.py::test_a_concatenated_trace_covers_the_union",
    ),
    MmioMutant(
        "what others have seen fall has risen",
        "mmio.coverage.counted",
        "self.fell |= other.fell",
        "self.fell |= other.rose",
        "coverage/test_device.py::test_transitions_are_of_values_that_follow_each_other",
    ),
    MmioMutant(
        "almost everything is all",
        "mmio.coverage.counted",
        "min(self.percent, 99.9)",
        "self.percent",
        "coverage/test_device.py::test_a_percentage_below_a_hundred_is_never_shown_as_one",
    ),
    MmioMutant(
        "a subclass's register counts for the base",
        "mmio.coverage.live",
        "type(device).layout is coverage._plan.device.layout",
        "True",
        "coverage/test_live.py::test_a_subclass_counts_for_its_base",
    ),
    MmioMutant(
        "a line of LCOV has the branches that are not taken",
        "mmio.coverage.ci",
        "{int(point.covered) if line.hits else '-'}",
        "{int(not point.covered) if line.hits else '-'}",
        "coverage/test_reports.py::test_the_numbers_of_all_formats_agree",
    ),
    MmioMutant(
        "elements of an array in SVD are a byte further apart",
        "mmio.documents.svd",
        "<dimIncrement>{member.stride:#x}</dimIncrement>",
        "<dimIncrement>{member.stride + 1:#x}</dimIncrement>",
        "documents/test_svd.py::test_it_reads_back_as_the_same_layout",
    ),
    MmioMutant(
        "a mask of a header is not shifted",
        "mmio.documents.header",
        "{_number(field.mask)}",
        "{_number(field.mask >> field.lsb)}",
        "documents/test_document.py::test_a_c_program_sees_the_offsets_of_the_layout",
    ),
    MmioMutant(
        "a header has the access of the bits without a field",
        "mmio.documents.header",
        "{access_of(member)} */",
        "{member.access} */",
        "documents/test_document.py::test_a_header_says_what_a_driver_may_do",
    ),
    MmioMutant(
        "every block is the first",
        "mmio.device.device",
        "partial(handler, index) if several else handler)",
        "partial(handler, 0) if several else handler)",
        "device/test_blocks.py::test_handlers_of_the_outer_device_get_the_index",
    ),
    MmioMutant(
        "a full FIFO loses the oldest",
        "mmio.device.fifo",
        '            self.overrun = True\n            self._call("overrun", value)\n            return False\n',
        '            self.overrun = True\n            self._call("overrun", value)\n            self.items.popleft()\n',
        "device/test_fifo.py::test_it_is_a_bounded_deque",
    ),
    MmioMutant(
        "a word to index and data goes to the register of the old index",
        "mmio.device.layout",
        "            now[index] = after(index, value >> 8 * at << 8 * first & lanes, lanes)\n",
        "",
        "device/test_indexed.py::test_a_word_writes_the_index_and_what_it_chooses",
    ),
)
