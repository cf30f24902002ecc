"""Devices made from descriptions, behind addresses of this process, driven by native code."""

import warnings
from ctypes import CDLL, c_uint32
from pathlib import Path
from typing import Any

import pytest

from mmio import block, from_rdl, from_svd, ioremap
from tests.native import compile_c

DATA = Path(__file__).parent / "data"

SOURCE = """
#include <stdint.h>
typedef volatile uint32_t reg;
uint32_t uart_send(volatile char *base, const char *text) {
    *(reg *)(base + 0x00) |= 1;
    uint32_t sent = 0;
    while (*text && (*(reg *)(base + 0x04) & 1)) {
        *(volatile uint16_t *)(base + 0x08) = *text++;
        sent++;
    }
    return sent;
}
uint32_t dma_run(volatile char *base) {
    *(reg *)(base + 0x60) = 0x803;
    uint32_t status = *(reg *)(base + 0x04);
    *(reg *)(base + 0x04) = 1;
    return status;
}
"""


@pytest.fixture
def driver(tmp_path: Path) -> CDLL:
    library = compile_c(SOURCE, tmp_path)
    library.uart_send.restype = library.dma_run.restype = c_uint32
    return library


@pytest.fixture(autouse=True)
def _quiet() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def test_a_driver_talks_to_an_svd_device(driver: CDLL) -> None:
    """Its model is a subclass; its trace has the names and fields of the file."""
    base = from_svd(DATA / "sensor.svd", "UART1")

    class Uart(base):  # type: ignore[valid-type,misc]
        def __init__(self) -> None:
            self.sent = ""

        @base.DR.written  # type: ignore[untyped-decorator]
        def _send(self, old: int, new: int) -> None:
            self.sent += chr(new)
            self.SR.TXE = len(self.sent) < 3

    uart = Uart()
    with ioremap(uart, length=0x100) as mapping:
        assert driver.uart_send(mapping, b"hello") == 3
        lines = [
            f"{access.register} {uart.describe(access.offset, access.width, access.value)}" for access in mapping.trace
        ]
    assert uart.sent == "hel"
    assert lines[:4] == [
        "CR EN=0 PARITY=NONE BAUD=0x001 PINA=0 PINB=0 PINC=0 PIND=0",
        "CR EN=1 PARITY=NONE BAUD=0x001 PINA=0 PINB=0 PINC=0 PIND=0",
        "SR TXE=1 OVERRUN=0 BREAK=0",
        "DR ",
    ]


def test_a_driver_talks_to_an_rdl_device(driver: CDLL) -> None:
    """Effects are the file's: a pulse starts, a written one clears."""
    base = from_rdl(DATA / "dma.rdl")
    channel: Any = base.CH_1.device

    class Channel(channel):  # type: ignore[misc]
        started = 0

        @channel.CTRL.written  # type: ignore[untyped-decorator]
        def _start(self, old: int, new: int) -> None:
            self.started += self.CTRL.START

    class Dma(base):  # type: ignore[valid-type,misc]
        CH_1 = block(base.CH_1.offset, Channel, name="CH[1]")

    dma = Dma()
    dma.STATUS.value = 0x0703
    with ioremap(dma, length=0x200) as mapping:
        assert driver.dma_run(mapping) == 0x0703
        text = str(mapping.trace)
    assert (dma.CH_1.started, dma.CH_1.CTRL.START, dma.CH_1.CTRL.ENABLE) == (1, 0, 1)
    assert (dma.STATUS.DONE, dma.STATUS.ERROR, dma.STATUS.COUNT) == (0, 1, 0)
    for expected in ("CH[1].CTRL", "ENABLE START BURST=0x08", "STATUS", "DONE ERROR COUNT=0x07"):
        assert expected in text
