"""Faults in mmio's trace files and pictures."""

from typing import Final

from tests.mutants.mutant import MmioMutant

FILES: Final = (
    MmioMutant(
        "Parquet keeps the low 8 bytes of a wide value",
        "mmio.formats.arrow",
        'rare["data"][row] = value.to_bytes(width, "little")',
        'rare["data"][row] = (value % 256).to_bytes(width, "little")',
        "formats/test_parquet.py::test_rows_are_records",
    ),
    MmioMutant(
        "JSON Lines leave out the flags",
        "mmio.formats.jsonlines",
        "    if spot.flags:\n",
        "    if spot.flags > 64:\n",
        "formats/test_jsonlines.py::test_the_file_has_the_keys_that_its_page_promises",
    ),
    MmioMutant(
        "lines that are there twice are taken",
        "mmio.formats.jsonlines",
        "if record.sequence <= self._last:",
        "if record.sequence < self._last:",
        "formats/test_jsonlines.py::test_a_line_that_is_there_twice",
    ),
    MmioMutant(
        "mmiotrace values are not masked to their width",
        "mmio.formats.mmiotrace",
        "masked = _hex(value) & (1 << 8 * size) - 1",
        "masked = _hex(value)",
        "formats/test_mmiotrace.py::test_reads_every_kind_of_line",
    ),
    MmioMutant(
        "mmiotrace microseconds are nanoseconds",
        "mmio.formats.mmiotrace",
        "int(match[1]) * 10**9 + int(match[2]) * 1000",
        "int(match[1]) * 10**9 + int(match[2])",
        "formats/test_mmiotrace.py::test_reads_every_kind_of_line",
    ),
    MmioMutant(
        "lost events leave no trace",
        "mmio.formats.mmiotrace",
        "        if lost and at == _NEVER:\n            return Loss(self._sequence, self._time, int(lost[1]))\n",
        "        if lost and at == _NEVER:\n            return None\n",
        "formats/test_mmiotrace.py::test_reads_every_kind_of_line",
    ),
    MmioMutant(
        "Perfetto's times are nanoseconds",
        "mmio.formats.perfetto",
        "{time / 1000!r}",
        "{time!r}",
        "formats/test_perfetto.py::test_an_instant_has_what_the_record_holds "
        "formats/test_perfetto.py::test_register_is_a_track",
    ),
    MmioMutant(
        "a poll that reads the same again has no event in VCD",
        "mmio.formats.vcd",
        '        for event in wires.events:\n            yield f"1{event}"',
        '        for event in wires.events:\n            yield from self._changed(event, f"1{event}")',
        "formats/test_vcd.py::test_register_is_a_wire_with_events",
    ),
    MmioMutant(
        "VCD goes back in time",
        "mmio.formats.vcd",
        "if changes and time > self._time:",
        "if changes and time != self._time:",
        "formats/test_vcd.py::test_time_never_falls",
    ),
    MmioMutant(
        "a writer that failed takes more",
        "mmio.formats.writer",
        "self._refusal = TraceFileError(error.errno or errno.EIO, reason, self.path)\n        return self._refusal",
        "return TraceFileError(error.errno or errno.EIO, reason, self.path)",
        "formats/test_linewriter.py::test_disk_that_fills_up",
    ),
    MmioMutant(
        "two writers write one file",
        "mmio.formats.writer",
        "        flock(file, LOCK_EX | LOCK_NB)\n",
        "        pass\n",
        "formats/test_linewriter.py::test_one_writer_a_file",
    ),
    MmioMutant(
        "an HTML table has names as they are",
        "mmio.pictures.columns",
        "{escape(printable(cells[i]))}",
        "{printable(cells[i])}",
        "pictures/test_columns.py::test_html_is_escaped",
    ),
    MmioMutant(
        "a heat map's rows are of one byte",
        "mmio.pictures.grid",
        "        while len(self._touched) > ROWS:",
        "        while False:",
        "pictures/test_heatmap.py::test_rows_grow_with_the_region",
    ),
    MmioMutant(
        "elements of an array never share a lane",
        "mmio.pictures.lanes",
        'return re.sub(r"\\[\\d+\\]", "[…]", f"{access.region}.{register}")',
        'return f"{access.region}.{register}"',
        "pictures/test_lanes.py::test_arrays_share_a_lane",
    ),
    MmioMutant(
        "a busy register flattens the others",
        "mmio.pictures.sparkline",
        "    most = max(counts)\n",
        "    most = 1000\n",
        "pictures/test_sparkline.py::test_bars_are_high_as_counts",
    ),
    MmioMutant(
        "neighbouring columns are drawn apart",
        "mmio.pictures.timeline",
        "if length and column == first + length:",
        "if length and column == first:",
        "pictures/test_timeline.py::test_neighbouring_columns_are_one_bar",
    ),
    MmioMutant(
        "a writer left open loses its last batch",
        "mmio.formats.writer",
        "            each.callback(writer._at_exit)\n",
        "            pass\n",
        "formats/test_writer.py::test_a_writer_left_open_loses_no_batch",
    ),
    MmioMutant(
        "a forked child writes its parent's batch again",
        "mmio.formats.writer",
        "os.register_at_fork(after_in_child=_left_open.clear)\n",
        "",
        "formats/test_writer.py::test_a_writer_left_open_loses_no_batch",
    ),
    MmioMutant(
        "a table left open cannot be read",
        "mmio.formats.parquet",
        "        if self._folder:\n            super()._at_exit()",
        "        if True:\n            super()._at_exit()",
        "formats/test_writer.py::test_a_table_left_open_can_be_read",
    ),
)
