"""How long flashrom takes to read a whole chip that is Python: 1.6 million port accesses of an unadapted program.

    python -m benchmarks.flashrom

By each engine, the one in this process also without patching, with every access recorded; what is read must be the
chip's contents, byte for byte. One run each, of the better part of a minute, and so at the mercy of whatever else runs:
the CPU time, tracer and program together, says how much of it was pagetrap's. Starting the program and its delays are
part of it.
"""

import os
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.measure import Timing, report

_CHIP = Path(__file__).parents[1] / "examples" / "spi_flash"
_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin"])
_SIZE = 1 << 16
_ENGINES = "ptrace", "inprocess --no-patching", "inprocess"
_RUN = """
import os, sys, time
from rayer import Rayer
from mmio.hosted import Host
from mmio.ptrace import Tracer
made = {"ptrace": Tracer, "inprocess": Host, "inprocess --no-patching": lambda: Host(patching=False)}
engine = made[sys.argv[1]]()
engine.map_ports(0x378, 3, Rayer())
result = os.dup(1)
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # flashrom has much to say
engine.spawn(sys.argv[2:])
start, busy = time.perf_counter(), sum(os.times()[:4])
status = engine.run()
figures = status, len(engine.trace), time.perf_counter() - start, sum(os.times()[:4]) - busy
os.write(result, " ".join(map(str, figures)).encode())
"""


def read(directory: Path, engine: str) -> tuple[float, float, int]:
    """Let flashrom read the chip; return the seconds it took, those of CPU, and how many accesses were recorded.

    Raises:
        RuntimeError: it failed, or what it read is not what the chip holds.
    """
    flashrom = shutil.which("flashrom", path=_PATH) or "flashrom"
    image, copy = directory / "chip.bin", directory / "copy.bin"
    image.write_bytes(random.Random(_SIZE).randbytes(_SIZE))
    command = [flashrom, "-p", "rayer_spi", "-c", "MX25L512(E)/MX25V512(C)", "-r", str(copy)]
    # As `pagetrap run --device examples/spi_flash/rayer.py:Rayer@ports:0x378+3` has it.
    environment = os.environ | {"FLASH_IMAGE": str(image), "PYTHONPATH": os.pathsep.join([str(_CHIP), *sys.path])}
    done = subprocess.run(
        [sys.executable, "-c", _RUN, engine, *command], capture_output=True, text=True, check=True, env=environment
    )
    status, accesses, taken, worked = done.stdout.split()
    if int(status) or copy.read_bytes() != image.read_bytes():
        raise RuntimeError(f"flashrom ended with {status}, and the copy is not the chip's contents")
    return float(taken), float(worked), int(accesses)


def measure() -> list[tuple[str, list[Timing]]]:
    """Time both in one run; nothing where there is no flashrom."""
    if shutil.which("flashrom", path=_PATH) is None:
        return []
    with tempfile.TemporaryDirectory() as directory:
        taken = {engine: read(Path(directory), engine) for engine in _ENGINES}
    first, _, accesses = taken["ptrace"]
    rows = [
        Timing(f"--engine={engine}: {seconds:.1f} s ({busy:.1f} of CPU)", seconds / accesses * 1e9, seconds / first)
        for engine, (seconds, busy, _) in taken.items()
    ]
    return [(f"flashrom reads 64 KiB, one of {accesses:,} port accesses", rows)]


if __name__ == "__main__":
    report(measure())
