"""Accesses as plain rows."""

import json

from decode import READ_WRITE
from mmio.traces.rows import Rows, row
from tests.mmio.sample_traces import ADD, access


def test_a_row_has_plain_values() -> None:
    """A row can be dumped as JSON; what an access has not is None."""
    one = row(access(direction=READ_WRITE, old=1, value=2, instruction=ADD, flags=16))
    assert json.loads(json.dumps(one)) == one
    assert (one["direction"], one["value"], one["old"], one["flags"]) == ("RW", 2, 1, ["atomic"])
    assert one["text"] == ADD.format(ip=0x401000)
    nowhere = row(access(region=None, offset=None, register=None, ip=0))
    assert [key for key, value in nowhere.items() if value is None] == [
        "old",
        "region",
        "offset",
        "register",
        "fields",
        "ip",
        "text",
    ]


def test_rows_are_made_when_they_are_looked_at() -> None:
    """Rows are a sequence over the accesses."""
    rows = Rows([access(0), access(1)])
    assert [one["sequence"] for one in rows] == [0, 1]
    assert len(rows[1:]) == 1
    assert rows[1:][0]["sequence"] == 1
