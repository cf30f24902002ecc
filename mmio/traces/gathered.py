"""Many traces in one file.

Each trace counts its accesses, its regions and its time from its own beginning. In a common file they continue
counting, and time runs on one clock; otherwise the file would contradict itself.
"""

from time import monotonic_ns, time_ns

from attrs import evolve

from mmio.linux.fork_locks import fork_lock
from mmio.records.access import Access
from mmio.records.events import Mapped, Mark, Record, Started, Unmapped
from mmio.records.sink import Sink
from mmio.traces.trace import Trace


class Gathered:
    """Writes the records of any number of traces to one sink, in the order they happen."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._lock = fork_lock()
        self._began = monotonic_ns()
        self._sequence = 0
        self._regions = 0
        sink.write(Started(0, 0, time_ns()))

    def mark(self, text: str) -> None:
        """Put a line of text between the accesses."""
        with self._lock:
            self._sink.write(Mark(self._sequence, monotonic_ns() - self._began, text))

    def attach(self, trace: Trace) -> None:
        """Gather a trace's accesses from now on."""
        trace.attach(_Source(self, trace.began))

    def take(self, record: Record, began: int, numbers: dict[int, int]) -> None:
        """Write a record of a trace that began at this time; `numbers` are those its regions have in the file."""
        with self._lock:
            time = max(record.time + began - self._began, 0)  # a region may have been mapped before there was a file
            record = evolve(record, sequence=self._sequence, time=time)
            if isinstance(record, Mapped):
                self._regions += 1
                numbers[record.number] = self._regions
            if isinstance(record, Mapped | Unmapped):
                record = evolve(record, number=numbers[record.number])
            self._sink.write(record)
            self._sequence += isinstance(record, Access)


class _Source:
    """The sink of one of the traces."""

    def __init__(self, gathered: Gathered, began: int) -> None:
        self._gathered = gathered
        self._began = began
        self._numbers: dict[int, int] = {}

    def write(self, record: Record) -> None:
        if not isinstance(record, Started):  # the file has begun already
            self._gathered.take(record, self._began, self._numbers)
