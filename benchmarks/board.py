"""Accesses to a board with eighty peripherals, beside those to one device.

    python -m benchmarks.board

The driver, the device's class and the recording are the same. By default each access to a board advances its clock by
100 ns; the second comparison leaves that out.
"""

import tempfile
from collections.abc import Callable
from ctypes import CDLL, c_int, c_void_p
from pathlib import Path

from benchmarks.measure import Timing, compare, report
from mmio import board, from_svd, ioremap
from tests.native import compile_c

_SOURCE = """
#include <stdint.h>
void loads(volatile uint32_t *at, int count) { while (count--) (void)*at; }
"""
_BASE, _STEP, _COUNT = 0x4000_0000, 0x400, 80
_ALONE = 0xA000_0000


def chip() -> str:
    """Return the text of an SVD file with eighty peripherals of twenty registers."""
    registers = "".join(
        f"<register><name>R{n}</name><addressOffset>{4 * n}</addressOffset></register>" for n in range(20)
    )
    peripherals = "".join(
        f"<peripheral><name>P{n}</name><baseAddress>{_BASE + n * _STEP}</baseAddress><addressBlock><offset>0</offset>"
        f"<size>{_STEP}</size><usage>registers</usage></addressBlock><registers>{registers}</registers></peripheral>"
        for n in range(_COUNT)
    )
    return f'<device schemaVersion="1.1"><name>C</name><size>32</size><peripherals>{peripherals}</peripherals></device>'


def measure() -> list[tuple[str, list[Timing]]]:
    """Time a load from one device and from a board."""
    measured: list[tuple[str, list[Timing]]] = []
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "chip.svd")
        path.write_text(chip())
        driver = compile_c(_SOURCE, Path(directory))
        driver.loads.argtypes = (c_void_p, c_int)
        for title, per_access in (("a load from a board", 100), ("a load from a board without time", 0)):
            with (
                board(path, per_access=per_access),
                ioremap(from_svd(path, "P40")(), _STEP, address=_ALONE, widths=(1, 2, 4)),
            ):
                alternatives = {
                    "one device": _loads(driver, _ALONE),
                    "a peripheral of 80": _loads(driver, _BASE + 40 * _STEP),
                }
                measured.append((title, compare(alternatives)))
    return measured


def _loads(driver: CDLL, address: int) -> Callable[[int], None]:
    return lambda count: driver.loads(address, count)


if __name__ == "__main__":
    report(measure())
