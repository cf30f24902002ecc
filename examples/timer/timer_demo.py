"""Interrupts into a C driver: from outside, and in the middle of its own accesses.

    python timer_demo.py [--out DIRECTORY]

Prints what happens in the order it happens. Exit status 0 when the driver's ticks are those of the timer.
"""

import argparse
import sys
from pathlib import Path

from timer import Timer
from timer_driver import Driver, build, load

import mmio


def main() -> int:
    """Run the demo and return its exit status."""
    parser = argparse.ArgumentParser(description="Run a C timer driver, by interrupts, against a timer in Python.")
    parser.add_argument("--out", metavar="DIRECTORY", type=Path, default=Path(__file__).parent / "build")
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)

    timer = Timer()
    with mmio.ioremap(timer, length=0x1000, name="timer") as mapping:
        driver = Driver(load(build(out)), mapping, clock=1_000_000)
        interrupt = mmio.Interrupt(timer.irq, driver.irq)
        told: list[int] = []
        print("1000 ticks a second of a 1 MHz clock")
        driver.start(1000, lambda: told.append(timer.cycles))
        print(timer.dump())

        print("\nfrom outside: Python lets 3 ms pass, and the handler runs while no C code does")
        timer.tick(3000)
        print(f"the callback was called at cycles {told}")

        print("\nfrom inside: the driver waits for 2 ticks, reading COUNT until its own handler has counted them")
        mapping.trace.mark("wait")
        before = len(mapping.trace)
        driver.wait(2)
        waited = mapping.trace[before:]
        print(f"the callback was called at cycles {told[3:]}; the last accesses of the wait:")
        print(waited[-6:].table())

        print("\ntoo late: interrupts are disabled for 5 ms")
        with interrupt.disabled():
            timer.tick(5000)
        print(f"{driver.ticks} ticks, {driver.late} of them late")
        driver.close()
    lost = timer.cycles // 1000 - len(told)
    print(f"{len(told)} calls of the callback; {lost} periods passed while it did not listen")
    return 0 if (len(told), driver_late(mapping.trace), lost) == (6, 1, 4) else 1


def driver_late(trace: mmio.Trace) -> int:
    """Count, in the accesses alone, the interrupts that were told they came too late."""
    return sum(bool(access.value & 2) for access in trace.filter(register="STATUS") if access.reads)


if __name__ == "__main__":
    sys.exit(main())
