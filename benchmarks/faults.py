"""Accesses to a device with a clock and with faults, beside those to the same device without.

    python -m benchmarks.faults

Each access advances the clock. One fault is about another register than the one that is read, the others are about the
register itself: they wait for an access that does not come, are applied at each read, or ask at each whether they are.
"""

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from ctypes import CDLL, c_int, c_void_p
from pathlib import Path
from typing import Any

from benchmarks.measure import Timing, compare, report
from mmio import Clock, Device, bit, faults, ioremap, line, register
from mmio.device.timed import Timed
from tests.native import compile_c

_SOURCE = """
#include <stdint.h>
void loads(volatile uint32_t *at, int count) { while (count--) (void)*at; }
"""


class Timer(Device):
    """Two registers and a line."""

    ctrl = register(0, fields=[bit("EN", 0)])
    stat = register(4, fields=[bit("DONE", 0)])
    irq = line()


def measure() -> list[tuple[str, list[Timing]]]:
    """Time a load from a device with and without."""
    lines = {
        "a clock, a fault of another register": "STAT stuck DONE=1",
        "a clock, a fault of the register that waits": "CTRL stuck EN=1 after 0x7fffffff reads",
        "a clock, a fault of the register at each read": "CTRL stuck EN=1",
        "a clock, a bit that is late": "CTRL late EN=1 by 0x7fffffff reads",
        "a clock, a fault while another register holds something": "CTRL stuck EN=1 when STAT.DONE=0",
        "a clock, a fault by chance": "CTRL stuck EN=1 with probability 0.5",
        "a clock, a bus error that waits": "CTRL bus-error at read 0x7fffffff",
        "a clock, an interrupt that waits": "irq spurious at access 0x7fffffff",
        "a clock, two faults of the register": "CTRL stuck EN=1\nCTRL late EN=1 by 3 reads",
    }
    with tempfile.TemporaryDirectory() as directory, ExitStack() as ending:
        driver = compile_c(_SOURCE, Path(directory))
        driver.loads.argtypes = (c_void_p, c_int)
        alternatives = {"one device": _loads(driver, ending.enter_context(ioremap(Timer(), 0x1000)))}
        for name, fault in lines.items():
            alternatives[name] = _loads(driver, ending.enter_context(_faulty(fault)))
        return [("a load from a device with a clock and faults", compare(alternatives))]


@contextmanager
def _faulty(fault: str) -> Iterator[Any]:
    timer, clock = Timer(), Clock(per_access=100)
    with ioremap(Timed(timer, clock), 0x1000) as mapping, faults.inject(mapping, fault, clock=clock, warn=False):
        yield mapping


def _loads(driver: CDLL, mapping: Any) -> Callable[[int], None]:
    return lambda count: driver.loads(mapping, count)


if __name__ == "__main__":
    report(measure())
