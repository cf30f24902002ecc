"""What a table of a trace costs, and what a list of the same values made of its accesses does.

    python -m benchmarks.data [--accesses 1000000]

All alternatives run in turns over one trace of a driver that polls and sets fifty registers.
"""

import argparse

from benchmarks.measure import Timing, compare, report
from benchmarks.stream import REGISTERS, START, Card
from mmio import AddressSpace, Trace

ACCESSES = 100_000


def recorded(accesses: int) -> Trace:
    """Return a trace of so many accesses."""
    trace = Trace()
    space = AddressSpace(trace)
    space.map(START, Card.layout.extent, Card(), "card")
    for n in range(accesses):
        space.read(START + n % REGISTERS * 4, 4)
    return trace


def measure(accesses: int = ACCESSES) -> list[tuple[str, list[Timing]]]:
    """Return a title, and the timings."""
    trace = recorded(accesses)

    def listed(calls: int) -> None:
        rows = [(a.sequence, a.time, a.letter, a.address, a.width, a.value, a.region, a.register, a.ip) for a in trace]
        assert len(rows) == calls

    def arrow(calls: int) -> None:
        assert len(trace.to_arrow()) == calls

    def pandas(calls: int) -> None:
        assert len(trace.to_pandas()) == calls

    def polars(calls: int) -> None:
        assert len(trace.to_polars()) == calls

    def columns(calls: int) -> None:
        assert len(trace.columns()) == calls

    timings = compare(
        {
            "a list of tuples, by a comprehension over the accesses": listed,
            "columns": columns,
            "`to_arrow()`": arrow,
            "`to_pandas()`": pandas,
            "`to_polars()`": polars,
        },
        accesses,
        rounds=5,
    )
    return [(f"A table of {accesses:,} accesses, for each of them", timings)]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--accesses", type=int, default=1_000_000)
    report(measure(parser.parse_args().accesses))


if __name__ == "__main__":
    main()
