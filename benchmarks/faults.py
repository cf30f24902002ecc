"""Accesses to a device with a clock and with faults, beside those to the same device without.

    python -m benchmarks.faults

Each access advances the clock, which has a timer that is never due. One fault is about another register than the one
that is accessed. The others are about the register itself: they wait for an access that does not come, are applied at
each access, or ask at each whether they are. In the last table one instruction accesses two registers in turn, so it
cannot have a function for one of them (docs/design/patching.md).

The time is that of this thread, so that other work of the machine counts less.
"""

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from ctypes import CDLL, c_int, c_void_p
from pathlib import Path
from typing import Any, Final

from benchmarks.measure import Timing, compare, report
from mmio import Clock, Device, bit, faults, ioremap, line, register
from mmio.device.timed import Timed
from tests.native import compile_c

_SOURCE = """
#include <stdint.h>
void loads(volatile uint32_t *at, int count) { while (count--) (void)*at; }
void stores(volatile uint32_t *at, int count) { while (count--) *at = count & 1; }
void both(volatile uint32_t *at, int count) { while (count--) (void)at[2 * (count & 1)]; }
"""

_OTHER: Final = "a clock, a fault of another register"
_READS: Final = {
    _OTHER: "STAT stuck DONE=1",
    "a clock, a fault of the register that waits": "CTRL stuck EN=1 after 0x7fffffff reads",
    "a clock, a fault of the register at each read": "CTRL stuck EN=1",
    "a clock, a bit that is late": "CTRL late EN=1 by 0x7fffffff reads",
    "a clock, a bit that is late by a time": "CTRL late EN=1 by 1000s",
    "a clock, a bus error that waits": "CTRL bus-error at read 0x7fffffff",
    "a clock, an interrupt that waits": "irq spurious at access 0x7fffffff",
    "a clock, a fault while another register holds something": "CTRL stuck EN=1 when STAT.DONE=0",
    "a clock, a fault by chance": "CTRL stuck EN=1 with probability 0.5",
    "a clock, two faults of the register": "CTRL stuck EN=1\nCTRL late EN=1 by 3 reads",
}
_WRITES: Final = {
    _OTHER: "STAT lost",
    "a clock, a lost write that waits": "CTRL lost at write 0x7fffffff",
    "a clock, a fault of reads of the register": "CTRL stuck EN=1",
}
_OF_BOTH: Final = {
    _OTHER: "STAT stuck DONE=1",
    "a clock, a fault of one register at each read": "CTRL stuck EN=1",
}


class Timer(Device):
    """Three registers and a line."""

    ctrl = register(0, fields=[bit("EN", 0)])
    stat = register(4, fields=[bit("DONE", 0)])
    load = register(8)
    irq = line()


def measure() -> list[tuple[str, list[Timing]]]:
    """Time loads and stores with and without."""
    measured: list[tuple[str, list[Timing]]] = []
    with tempfile.TemporaryDirectory() as directory:
        driver = compile_c(_SOURCE, Path(directory))
        for function, lines, title in (
            ("loads", _READS, "a load from a device with a clock and faults"),
            ("stores", _WRITES, "a store to it"),
            ("both", _OF_BOTH, "a load by an instruction that loads from two registers"),
        ):
            getattr(driver, function).argtypes = (c_void_p, c_int)
            with ExitStack() as ending:
                alternatives = _alternatives(driver, function, lines, ending)
                measured.append((title, compare(alternatives, now=time.thread_time_ns)))
    return measured


def _alternatives(
    driver: CDLL, function: str, lines: Mapping[str, str], ending: ExitStack
) -> dict[str, Callable[[int], None]]:
    def calls(mapping: Any) -> Callable[[int], None]:
        return lambda count: getattr(driver, function)(mapping, count)

    found = {"one device": calls(ending.enter_context(ioremap(Timer(), 0x1000)))}
    found["a clock"] = calls(ending.enter_context(ioremap(Timed(Timer(), _clock()), 0x1000)))
    for name, fault in lines.items():
        found[name] = calls(ending.enter_context(_faulty(fault)))
    return found


def _clock() -> Clock:
    clock = Clock(per_access=100)
    clock.after(1 << 60, clock.snapshot)
    return clock


@contextmanager
def _faulty(fault: str) -> Iterator[Any]:
    timer, clock = Timer(), _clock()
    with ioremap(Timed(timer, clock), 0x1000) as mapping, faults.inject(mapping, fault, clock=clock, warn=False):
        yield mapping


if __name__ == "__main__":
    report(measure())
