"""Run every benchmark and keep the figures: `make bench`, or `python -m benchmarks`.

Writes `benchmarks/RESULTS.md`. Ratios from one run are what counts; the absolute times belong to the machine it names.
"""

import platform
import subprocess
from pathlib import Path

from benchmarks import flashrom, inprocess, ptrace, record, step, stream, tracebit, watch
from benchmarks.measure import table

RESULTS = Path(__file__).with_name("RESULTS.md")


def processor() -> str:
    """Return the processor's name."""
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown processor"


def main() -> None:
    """Measure, print, and write the file."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    where = f"{processor()}, Linux {platform.release()}, Python {platform.python_version()}"
    text = "\n\n".join(
        [
            "# Figures",
            f"Made by `make bench` at commit {commit.stdout.strip() or 'unknown'} on {where}.",
            "Medians of interleaved rounds in one run; the ratios are what counts.",
            *(
                table(title, timings)
                for part in (step, inprocess, ptrace, tracebit, flashrom, record, stream, watch)
                for title, timings in part.measure()
            ),
            tracebit.counts(),
            f"A recorded access takes {record.memory():.0f} bytes of memory.",
            stream.memory(stream.RECORDS),
        ]
    )
    print(text)
    RESULTS.write_text(text + "\n")


if __name__ == "__main__":
    main()
