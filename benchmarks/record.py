"""What recording an access costs, in time and memory.

    python -m benchmarks.record

Every trapped access pays for one `Trace.record`. It is compared with a function that takes the same arguments and does
nothing, and with recording that also writes each access to a file as it happens.
"""

import tracemalloc
from collections.abc import Callable

from benchmarks.measure import Timing, compare, report
from decode import READ, decode
from mmio import AddressSpace, Trace, writer

INSTRUCTION = decode(bytes.fromhex("8b4710"))  # mov eax,[rdi+10h]
RECORDS = 100_000


class Card:
    """A device that is never asked: records are made without it."""

    def read(self, offset: int, width: int) -> int:
        """Return 0."""
        return 0

    def write(self, offset: int, width: int, value: int) -> None:
        """Take anything."""


REGION = AddressSpace().map(0xFE000000, 0x1000, Card(), "card")


def nothing(*arguments: object) -> None:
    """Take what `Trace.record` takes."""


def repeated(record: Callable[..., None]) -> Callable[[int], None]:
    """Return a function that records reads all over the region, by fifty instructions."""

    def run(calls: int) -> None:
        for n in range(calls):
            record(
                READ,
                "memory",
                0xFE000000 + (n & 0xFFC),
                4,
                n,
                0x401000 + n % 50,
                INSTRUCTION,
                REGION,
                n & 0xFFC,
                0,
                4711,
            )

    return run


def measure() -> list[tuple[str, list[Timing]]]:
    """Time the ways to record an access."""
    with writer("/dev/null", format="jsonlines") as json, writer("/dev/null", format="mmiotrace") as text:
        alternatives: dict[str, Callable[..., None]] = {
            "a call that does nothing": nothing,
            "Trace.record": Trace().record,
            "Trace.record, the last 1,000 kept": Trace(keep=1000).record,
            "Trace.record and a line of mmiotrace": Trace(sinks=[text]).record,
            "Trace.record and a line of JSON": Trace(sinks=[json]).record,
        }
        timings = compare({name: repeated(record) for name, record in alternatives.items()}, calls=5000)
    return [("one record", timings)]


def memory() -> float:
    """Return the bytes of memory a record takes."""
    trace = Trace()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    repeated(trace.record)(RECORDS)
    used = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return used / RECORDS


if __name__ == "__main__":
    report(measure())
    print(f"memory: {memory():.1f} bytes a record, of {RECORDS:,} records")
