"""Run every benchmark and keep the figures: `make bench`, or `python -m benchmarks`.

Writes RESULTS.md, RESULTS.json and RESULTS.svg, and the tables of other pages. Ratios from one run are what counts;
the absolute times belong to the machine they name.
"""

import json

from attrs import asdict

from benchmarks import (
    board,
    clock,
    data,
    descriptions,
    distinct,
    engines,
    faults,
    flashrom,
    imports,
    inprocess,
    ptrace,
    reach,
    record,
    step,
    stream,
    tracebit,
    watch,
    workload,
)
from benchmarks.chart import draw
from benchmarks.growth import RESULTS as GROWTH
from benchmarks.measure import Timing, made_by, table
from benchmarks.readme import RESULTS, refresh

PARTS = (
    step,
    distinct,
    inprocess,
    ptrace,
    tracebit,
    engines,
    flashrom,
    workload,
    board,
    clock,
    faults,
    watch,
    record,
    stream,
    data,
    imports,
    descriptions,
)
PICTURE = RESULTS.with_suffix(".svg")


def main() -> None:
    """Measure, print, and write the files."""
    made = made_by("make bench")
    measured: list[tuple[str, list[Timing]]] = []
    for part in PARTS:
        for title, timings in part.measure():
            print(table(title, timings), end="\n\n", flush=True)
            measured.append((title, timings))
    text = "\n\n".join(
        [
            "# Figures",
            made,
            "Medians of interleaved rounds in one run; the ratios are what counts.",
            reach.table(measured),
            f"![What one access costs]({PICTURE.name})",
            *(table(title, timings) for title, timings in measured),
            tracebit.counts(),
            f"A recorded access takes {record.memory():.0f} bytes of memory; it should be 150 at most.",
            stream.memory(stream.RECORDS),
            distinct.memory(distinct.INSTRUCTIONS),
            f"What ten million accesses leave in memory, and showing a million, is in [{GROWTH.name}]({GROWTH.name}).",
        ]
    )
    RESULTS.write_text(text + "\n")
    refresh()
    rows = [{"title": title, "rows": [asdict(timing) for timing in timings]} for title, timings in measured]
    RESULTS.with_suffix(".json").write_text(json.dumps({"made": made, "tables": rows}, indent=1) + "\n")
    draw({(title, timing.name): timing for title, timings in measured for timing in timings}, PICTURE)
    print(f"{RESULTS}, {RESULTS.with_suffix('.json')} and {PICTURE} are written")


if __name__ == "__main__":
    main()
