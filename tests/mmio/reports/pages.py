"""Pages to test with, and how to look into them without a browser."""

import base64
import re
import zlib
from typing import Any

from decode import decode
from mmio import AddressSpace, Device, Trace, bit, field, register
from mmio.records.symbols import Location
from mmio.reports.packing import unpacked

START = 0xFE000000
LOCATIONS = {
    0x401000: Location("uart.so", 0x1000, "uart_init", 4, "uart.c:42"),
    0x401020: Location("uart.so", 0x1020, "uart_poll", 0x20, "io.h:12", "readl io.h:12 ← uart_poll uart.c:57"),
}


class Uart(Device):
    """A device with fields, named values and an array."""

    ctrl = register(0x00, fields=[bit("EN", 0), field("MODE", 5, 4, enum={0: "OFF", 2: "FAST"}), field("DIV", 23, 8)])
    status = register(0x04, access="r", fields=[bit("READY", 0), field("LEVEL", 15, 8)])
    data = register(0x08)


def driven(polls: int = 20) -> Trace:
    """Return the trace of a driver: it writes CTRL, polls STATUS with levels from 0 on, and writes DATA."""
    trace = Trace(locate=LOCATIONS.get)
    space, uart = AddressSpace(trace), Uart()
    space.map(START, 0x100, uart, "uart")
    driver = space.initiator(0)
    driver.ip, driver.instruction = 0x401000, decode(bytes.fromhex("8907"))  # mov [rdi],eax
    driver.write(START, 4, 0x1221)
    trace.mark("begins to poll")
    driver.ip, driver.instruction = 0x401020, decode(bytes.fromhex("8b4704"))  # mov eax,[rdi+4]
    for level in range(polls):
        uart.status.LEVEL = level % 256
        driver.read(START + 4, 4)
    driver.ip, driver.instruction = 0x401000, decode(bytes.fromhex("894708"))  # mov [rdi+8],eax
    driver.write(START + 8, 4, 0xCAFE)
    return trace


def contents(html: str) -> tuple[dict[str, Any], dict[str, list[int]]]:
    """Return the data and the columns of a page."""
    found = re.search(r'<script type="text/plain" id="data">([^<]*)</script>', html)
    assert found is not None
    return unpacked(zlib.decompress(base64.b64decode(found[1])))
