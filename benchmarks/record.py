"""What recording an access costs, in time and memory.

    python -m benchmarks.record

Every alternative reads from a device in an address space, as the handler of a trapped access does; they differ in what
becomes of the record. The floor is a trace that is off.
"""

import tracemalloc
from collections.abc import Callable

from benchmarks.measure import Timing, compare, report
from decode import decode
from mmio import AddressSpace, Trace, writer

INSTRUCTION = decode(bytes.fromhex("8b4710"))  # mov eax,[rdi+10h]
RECORDS = 100_000
BASE = 0xFE000000


class Card:
    """A device that answers at once."""

    def read(self, offset: int, width: int) -> int:
        """Return a value of as many bytes."""
        return 1 << 8 * width - 1 | offset

    def write(self, offset: int, width: int, value: int) -> None:
        """Take anything."""


def reads(trace: Trace, width: int = 4) -> Callable[[int], None]:
    """Return a function that makes reads all over the device, by fifty instructions."""
    space = AddressSpace(trace)
    space.map(BASE, 0x1000, Card(), "card", widths=(4, 16))
    bus = space.initiator(4711)

    def run(calls: int) -> None:
        for n in range(calls):
            bus.ip, bus.instruction = 0x401000 + n % 50, INSTRUCTION
            bus.read(BASE + (n & 0xFF0), width)

    return run


def measure() -> list[tuple[str, list[Timing]]]:
    """Time the ways to record an access."""
    off = Trace()
    off.enabled = False
    with writer("/dev/null", format="jsonlines") as json, writer("/dev/null", format="mmiotrace") as text:
        traces = {
            "a read, the trace off": off,
            "recorded": Trace(),
            "recorded, the last 1,000 kept": Trace(keep=1000),
            "recorded, and a line of mmiotrace": Trace(sinks=[text]),
            "recorded, and a line of JSON": Trace(sinks=[json]),
        }
        alternatives = {name: reads(trace) for name, trace in traces.items()}
        alternatives["recorded, of 16 bytes"] = reads(Trace(), 16)
        timings = compare(alternatives, calls=5000)
    return [("one read from a device, and its record", timings)]


def memory() -> float:
    """Return the bytes of memory a record takes."""
    run = reads(Trace())
    run(100)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    run(RECORDS)
    used = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return used / RECORDS


if __name__ == "__main__":
    report(measure())
    print(f"memory: {memory():.1f} bytes a record, of {RECORDS:,} records")
