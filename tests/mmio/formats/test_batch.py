"""Records as columns."""

import pyarrow
from hypothesis import given
from hypothesis import strategies as st

from mmio import Access
from mmio.formats.batch import Batch, schema
from mmio.formats.jsonlines import from_json
from mmio.records.events import Record
from mmio.records.spot import Spots
from tests.mmio.sample_traces import accesses, events


@given(st.lists(accesses() | events(), max_size=8))
def test_each_record_is_a_row(records: list[Record]) -> None:
    """A table has a row for each record, in order, with every cell of its own type or null."""
    batch, spots = Batch(), Spots()
    for record in records:
        if isinstance(record, Access):
            batch.add(spots.of(record), record.sequence, record.time, record.value, record.old)
        else:
            batch.add_event(record)
    table = batch.table(pyarrow, schema(pyarrow))
    table.validate(full=True)
    assert table.schema == schema(pyarrow)
    assert len(table) == len(batch) == len(records)
    for row, record in zip(table.to_pylist(), records, strict=True):
        assert (row["sequence"], row["time"]) == (record.sequence, record.time)
        if not isinstance(record, Access):
            assert from_json(row["event"]) == record
            assert row["value"] is row["address"] is row["flags"] is None
            continue
        for value, number, data in ((record.value, "value", "data"), (record.old, "old", "old_data")):
            wide = row[data]
            assert value == (row[number] if wide is None else int.from_bytes(wide, "little"))
            assert wide is None or len(wide) == record.width > 8
        assert (row["address"], row["width"], row["thread"]) == (record.address, record.width, record.thread)
        assert (row["region"], row["offset"], row["register"]) == (record.region, record.offset, record.register)
        assert row["text"] == (record.text or None)
