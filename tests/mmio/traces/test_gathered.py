"""Several traces in one."""

from mmio import Access, Trace
from mmio.records.events import Mapped, Mark, Record, Started
from mmio.traces.gathered import Gathered
from tests.mmio.sample_traces import START, machine


class Kept(list[Record]):
    """A sink that keeps."""

    def write(self, record: Record) -> None:
        self.append(record)


def test_accesses_are_numbered_through() -> None:
    """Accesses of two traces have one numbering and one clock, and every region a number of its own."""
    kept = Kept()
    gathered = Gathered(kept)
    traces = Trace(), Trace()
    for trace in traces:
        gathered.attach(trace)
    first, second = map(machine, traces)
    first.write(START, 4, 1)
    second.write(START, 4, 2)
    gathered.mark("here")
    first.write(START, 4, 3)
    accesses = [record for record in kept if isinstance(record, Access)]
    assert [(a.sequence, a.value) for a in accesses] == [(0, 1), (1, 2), (2, 3)]
    assert [record.number for record in kept if isinstance(record, Mapped)] == [1, 2]
    assert [record.sequence for record in kept if isinstance(record, Mark)] == [2]
    assert [record.time for record in kept] == sorted(record.time for record in kept)


def test_several_traces_begin_the_file_once() -> None:
    """However many traces there are, the file begins once, and first."""
    kept = Kept()
    gathered = Gathered(kept)
    gathered.attach(Trace())
    gathered.attach(Trace())
    assert [type(record) for record in kept] == [Started]
