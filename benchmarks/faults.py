"""Accesses to a device with a clock and with faults, beside those to the same device without.

    python -m benchmarks.faults

Each access advances the clock. One fault is about another register than the one that is read; one is about the register
itself, and waits for an access that does not come; the last one is applied at each read.
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from ctypes import CDLL, c_int, c_void_p
from pathlib import Path
from typing import Any

from benchmarks.measure import Timing, compare, report
from mmio import Clock, Device, bit, faults, ioremap, register
from mmio.device.timed import Timed
from tests.native import compile_c

_SOURCE = """
#include <stdint.h>
void loads(volatile uint32_t *at, int count) { while (count--) (void)*at; }
"""


class Timer(Device):
    """Two registers."""

    ctrl = register(0, fields=[bit("EN", 0)])
    stat = register(4, fields=[bit("DONE", 0)])


def measure() -> list[tuple[str, list[Timing]]]:
    """Time a load from a device with and without."""
    lines = {
        "a clock, a fault of another register": "STAT stuck DONE=1",
        "a clock, a fault of the register that waits": "CTRL stuck EN=1 after 0x7fffffff reads",
        "a clock, a fault of the register at each read": "CTRL stuck EN=1",
    }
    with tempfile.TemporaryDirectory() as directory, ExitStack() as ending:
        driver = compile_c(_SOURCE, Path(directory))
        driver.loads.argtypes = (c_void_p, c_int)
        alternatives = {"one device": _loads(driver, ending.enter_context(ioremap(Timer(), 0x1000)))}
        for name, line in lines.items():
            alternatives[name] = _loads(driver, ending.enter_context(_faulty(line)))
        return [("a load from a device with a clock and faults", compare(alternatives))]


@contextmanager
def _faulty(line: str) -> Iterator[Any]:
    timer, clock = Timer(), Clock(per_access=100)
    with ioremap(Timed(timer, clock), 0x1000) as mapping, faults.inject(mapping, line, clock=clock, warn=False):
        yield mapping


def _loads(driver: CDLL, mapping: Any) -> Callable[[int], None]:
    return lambda count: driver.loads(mapping, count)


if __name__ == "__main__":
    report(measure())
