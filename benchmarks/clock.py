"""Accesses to a device with a clock, beside those to the same device without one.

    python -m benchmarks.clock

The driver, the device's class and the recording are the same; only what advances the clock differs. A clock that
stands still must cost nothing, since the device is mapped as it is.
"""

import tempfile
from collections.abc import Callable
from ctypes import CDLL, c_int, c_void_p
from pathlib import Path

from benchmarks.measure import Timing, compare, report
from mmio import Clock, Device, ioremap, register, us
from tests.native import compile_c

_SOURCE = """
#include <stdint.h>
void loads(volatile uint32_t *at, int count) { while (count--) (void)*at; }
void stores(volatile uint32_t *at, int count) { while (count--) *at = count; }
"""
_POLICIES = {
    "no clock": None,
    "a clock that stands still": "still",
    "time per access": "access:100ns",
    "time per poll": "poll:100ns",
}


class _Card(Device):
    data = register(0x00)


def measure() -> list[tuple[str, list[Timing]]]:
    """Time a load and a store of a patched driver, with each policy."""
    measured: list[tuple[str, list[Timing]]] = []
    with tempfile.TemporaryDirectory() as directory:
        driver = compile_c(_SOURCE, Path(directory))
        for name in ("loads", "stores"):
            function = getattr(driver, name)
            function.argtypes = (c_void_p, c_int)
            mappings = {}
            for title, policy in _POLICIES.items():
                card = _Card()
                if policy is not None:
                    card.clock = Clock(policy=policy)
                    card.clock.after(us(1) << 60, _Card)  # due, and never reached
                mappings[title] = ioremap(card, 0x1000)
            alternatives = {title: _calls(driver, name, mapping.address) for title, mapping in mappings.items()}
            measured.append((f"{name.removesuffix('s')}, in this process", compare(alternatives)))
            for mapping in mappings.values():
                mapping.close()
    return measured


def _calls(driver: CDLL, name: str, address: int) -> Callable[[int], None]:
    function = getattr(driver, name)
    return lambda count: function(address, count)


if __name__ == "__main__":
    report(measure())
