"""Tests of the driver, and what they touch of the UART.

    pytest --mmio-cov=Uart --mmio-cov-fail-under=70 test_driver.py

The last three tests are there because the report of the others said that IIR.ID had never been DATA or LINE, and that
LSR.FE and LSR.OE had never risen. UART_FLAGS=-DBUG_FRAMING plants a mistake, which only one of these finds.
"""

import os
from typing import Any

import pytest
from serial_driver import Driver, build, load
from uart import FRAMING, Uart

import mmio


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return load(build(tmp_path_factory.mktemp("uart"), *os.environ.get("UART_FLAGS", "").split()))


@pytest.fixture
def uart() -> Uart:
    return Uart()


@pytest.fixture
def driver(library: Any, uart: Uart, mmio_trap: Any) -> Driver:
    """The driver, open, its handler at the interrupt line."""
    driver = Driver(library, base=mmio_trap(mmio.Spaced(uart, 4), name="serial"), stride=4)
    driver.open(115200)
    mmio.Interrupt(uart.irq, driver.irq)
    return driver


def test_it_finds_the_port(library: Any, uart: Uart, mmio_trap: Any) -> None:
    assert Driver(library, base=mmio_trap(uart)).probe() == "16550A"


def test_it_sends(driver: Driver, uart: Uart) -> None:
    driver.write(b"hello")
    assert uart.sent.endswith(b"hello")


def test_it_receives(driver: Driver, uart: Uart) -> None:
    uart.receive(b"OK\r\n")
    assert driver.read() == b"OK\r\n"


def test_it_closes(driver: Driver, uart: Uart) -> None:
    driver.close()
    assert uart.ier == 0


def test_it_receives_at_the_trigger_level(driver: Driver, uart: Uart) -> None:
    uart.receive(b"0123456789")
    assert driver.read() == b"0123456789"


def test_it_counts_damaged_characters(driver: Driver, uart: Uart) -> None:
    uart.receive(b"?", errors=FRAMING)
    assert driver.stats()["errors"] == 1


def test_it_counts_lost_characters(library: Any, mmio_trap: Any) -> None:
    uart = Uart()
    driver = Driver(library, base=mmio_trap(mmio.Spaced(uart, 4)), stride=4)
    driver.open(115200)
    uart.receive(bytes(20))  # nothing handles the interrupt, and the FIFO has room for 16
    driver.irq()
    assert driver.stats()["overruns"] == 1
