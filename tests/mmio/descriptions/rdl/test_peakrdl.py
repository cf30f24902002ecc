"""PeakRDL on the file that a device is made from, and on one that a device is written as."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from mmio import Device, array, bit, block, blocks, field, from_rdl, register, to_rdl
from mmio.models import Stm32Timer
from tests.native import ROOT, build_c
from tests.needs import need

TIMER = ROOT / "examples" / "descriptions" / "timer.rdl"


class Queue(Device):
    head = register(0x00, access="r")
    tail = register(0x04, width=2, fields=[field("INDEX", 7, 0)])


class Card(Device):
    """A card with parts."""

    ctrl = register(0x00, access="rw1", fields=[bit("EN", 0), field("MODE", 2, 1, enum={0: "ONCE", 1: "PERIODIC"})])
    stat = register(0x04, width=1, on_write="woclr", fields=[bit("DONE", 0)])
    key = array(0x10, count=4, width=8)
    dma = block(0x40, Queue)
    queue = blocks(0x100, Queue, count=4, stride=0x10)


def checks(device: type[Device], name: str) -> str:
    """Return C that compiles where the header agrees with the layout: offsets, widths and masks."""
    lines = [f'#include "{name}.h"', "#include <stddef.h>"]
    for place in device.layout.places:
        lines.append(f'static_assert(offsetof({name}_t, {place.name}) == {place.offset}, "{place.name}");')
        lines.append(f'static_assert(sizeof((({name}_t *)0)->{place.name}) == {place.width}, "{place.name}");')
        if "." not in place.name:  # those of a block have the name of its type
            for each in place.fields:
                mask = f"{name.upper()}__{place.name.partition('[')[0]}__{each.name}_bm"
                lines.append(f'static_assert({mask} == {each.mask:#x}u, "{place.name}.{each.name}");')
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("device", [None, Card, Stm32Timer], ids=str)
def test_its_header_agrees_with_the_device(device: type[Device] | None, tmp_path: Path) -> None:
    """The C header of a SystemRDL file has the offsets, widths and masks of the device, by the same names."""
    need(find_spec("peakrdl") and find_spec("peakrdl_cheader"), "PeakRDL (pip install peakrdl-cli peakrdl-cheader)")
    source = TIMER
    if device is None:
        device = from_rdl(TIMER)
    else:
        source = tmp_path / "device.rdl"
        source.write_text(to_rdl(device))
    name = device.__name__
    command = [sys.executable, "-m", "peakrdl", "c-header", str(source), "-o", str(tmp_path / f"{name}.h")]
    subprocess.run(command, check=True, capture_output=True)
    build_c(checks(device, name), tmp_path, "-std=c11", "-Werror", f"-I{tmp_path}")
