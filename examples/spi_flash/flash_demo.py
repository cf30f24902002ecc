"""A C driver identifies, erases, programs and reads a flash chip. The chip is Python, and so are the wires.

    python flash_demo.py [--out DIRECTORY]

The driver toggles four pins of a GPIO port; each of its loads and stores lands on the model in gpio.py, whose chip sees
the wires move. What is printed is what went over the wires, made out of the trace by examples/protocols/spi.py. Exit
status 0 when the chip gives back what was programmed.
"""

import argparse
import ctypes
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from gpio import Gpio

import mmio

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent / "protocols"))

from spi import decode  # noqa: E402  where it is has just been said

TEXT = b"The quick brown fox jumps over the lazy dog. "
START, LENGTH = 0x10F0, 0x120  # from the last bytes of one page, over a whole one, into a third


def build(directory: Path) -> ctypes.CDLL:
    """Compile the driver into a directory and load it."""
    library = directory / "libflash.so"
    flags = ["-O2", "-g", "-Wall", "-Wextra", "-shared", "-fPIC"]
    subprocess.run([os.environ.get("CC", "cc"), *flags, "-o", library, HERE / "flash.c"], check=True)
    loaded = ctypes.CDLL(str(library))
    loaded.flash_identify.restype = ctypes.c_uint32
    loaded.flash_read.restype = None
    return loaded


def spoken(accesses: Iterable[mmio.Access]) -> Iterator[str]:
    """Iterate over the transactions as lines, of the long ones the beginning."""
    for transaction in decode(accesses):
        length = len(transaction.mosi)
        wires = [f"{wire[:8].hex(' ')}{' …' * (length > 8)}" for wire in (transaction.mosi, transaction.miso)]
        yield f"  {' -> '.join(wires)}{f'  ({length} bytes)' * (length > 8)}"


def main() -> int:
    """Run the demo and return its exit status."""
    parser = argparse.ArgumentParser(description="Run a C flash driver against a chip written in Python.")
    parser.add_argument(
        "--out", metavar="DIRECTORY", type=Path, default=HERE / "build", help="for the compiled driver and the trace"
    )
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    driver = build(out)
    data = (TEXT * (LENGTH // len(TEXT) + 1))[:LENGTH]
    copy = ctypes.create_string_buffer(LENGTH)
    with mmio.ioremap(Gpio(), length=0x1000, name="gpio") as mapping:
        steps: list[tuple[str, Any, list[Any]]] = [
            ("identify", driver.flash_identify, []),
            ("erase a sector", driver.flash_erase_sector, [START]),
            ("program three pages", driver.flash_program, [START, data, ctypes.c_size_t(LENGTH)]),
            ("read it back", driver.flash_read, [START, copy, ctypes.c_size_t(LENGTH)]),
        ]
        for title, function, arguments in steps:
            before = len(mapping.trace)
            result = function(mapping, *arguments)
            print(f"{title}: {result:#x}" if result else title, *spoken(mapping.trace[before:]), sep="\n")
    mmio.save(mapping.trace, out / "flash.jsonl")
    print(f"{len(mapping.trace)} accesses: {out / 'flash.jsonl'}")
    if copy.raw != data:
        print("FAILED: the chip gave back something else", file=sys.stderr)
        return 1
    print(f"{LENGTH} bytes programmed and read back as they were")
    return 0


if __name__ == "__main__":
    sys.exit(main())
