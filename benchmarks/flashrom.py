"""How long flashrom takes to read a whole chip that is Python: 1.6 million port accesses of a program nobody adapted.

    python -m benchmarks.flashrom

Once with every access recorded and once without a record; what is read must be the chip's contents, byte for byte. One
run each, of the better part of a minute, and so at the mercy of whatever else runs: the CPU time, tracer and program
together, says how much of it was ours. Starting the program and its delays are part of it.
"""

import importlib
import os
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

import mmio
from benchmarks.measure import Timing, report

_CHIP = Path(__file__).parents[1] / "examples" / "spi_flash"
_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin"])
_SIZE = 1 << 16


def read(directory: Path, recorded: bool) -> tuple[float, float, int]:
    """Let flashrom read the chip; return the seconds it took, those of CPU, and how many accesses were recorded.

    Raises:
        RuntimeError: it failed, or what it read is not what the chip holds.
    """
    flashrom = shutil.which("flashrom", path=_PATH)
    image, copy = directory / "chip.bin", directory / "copy.bin"
    image.write_bytes(random.Random(_SIZE).randbytes(_SIZE))
    os.environ["FLASH_IMAGE"] = str(image)
    tracer = mmio.Tracer()
    tracer.trace.enabled = recorded
    tracer.map_ports(0x378, 3, _port())
    with open(os.devnull, "wb") as nowhere:
        start, busy = time.perf_counter(), sum(os.times()[:4])
        command = [flashrom or "flashrom", "-p", "rayer_spi", "-c", "MX25L512(E)/MX25V512(C)", "-r", str(copy)]
        tracer.spawn(command, descriptors={1: nowhere.fileno(), 2: 2})
        status = tracer.run()
        taken, worked = time.perf_counter() - start, sum(os.times()[:4]) - busy
    if status or copy.read_bytes() != image.read_bytes():
        raise RuntimeError(f"flashrom ended with {status}, and the copy is not the chip's contents")
    return taken, worked, len(tracer.trace)


def _port() -> mmio.DeviceLike:
    """Return the parallel port with the chip, as `pagetrap run --device examples/spi_flash/rayer.py:Rayer` makes it."""
    if str(_CHIP) not in sys.path:
        sys.path.append(str(_CHIP))
    device: mmio.DeviceLike = importlib.import_module("rayer").Rayer()
    return device


def measure() -> list[tuple[str, list[Timing]]]:
    """Time both in one run; nothing where there is no flashrom."""
    if shutil.which("flashrom", path=_PATH) is None:
        return []
    with tempfile.TemporaryDirectory() as directory:
        with_record, without = (read(Path(directory), recorded) for recorded in (True, False))
    first, _, accesses = with_record
    rows = [
        Timing(
            f"{name}: {taken:.1f} s ({worked:.1f} of CPU), {accesses / taken:,.0f} a second",
            taken / accesses * 1e9,
            taken / first,
        )
        for name, (taken, worked, _) in (("recorded", with_record), ("trace off", without))
    ]
    return [(f"flashrom reads 64 KiB, one of {accesses:,} port accesses", rows)]


if __name__ == "__main__":
    report(measure())
