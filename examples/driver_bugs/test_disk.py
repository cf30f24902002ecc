"""A test for each class of bug. DISK_FLAGS are flags for the compiler: -DBUG_NO_TIMEOUT plants a mistake."""

import ctypes
import errno
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from disk import Disk, Driver, State, build
from hypothesis.stateful import rule, run_state_machine_as_test

import mmio
from mmio import faults
from mmio.strategies import DriverMachine

Start = Callable[..., tuple[Driver, mmio.Mapping]]


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return build(tmp_path_factory.mktemp("disk"), *os.environ.get("DISK_FLAGS", "").split())


@pytest.fixture
def start(library: ctypes.CDLL) -> Iterator[Start]:
    """Open the driver at a disk that has faults."""
    with ExitStack() as ending:

        def start(disk: Disk, *lines: str) -> tuple[Driver, mmio.Mapping]:
            mapping = ending.enter_context(mmio.ioremap(ending.enter_context(faults.wrap(disk, lines))))
            driver = Driver(library, mapping)
            ending.callback(mmio.Interrupt(disk.irq, driver.irq).close)
            assert driver.open() == 0
            return driver, mapping

        yield start


def test_a_block_is_read(start: Start) -> None:
    driver, _ = start(Disk())
    assert driver.read() == (0, Disk().block)


def test_lost_interrupt(start: Start) -> None:
    driver, _ = start(Disk(), "irq lost at interrupt 1")
    assert driver.read() == (0, Disk().block)


def test_spurious_interrupt(start: Start) -> None:
    driver, _ = start(Disk(), "irq spurious at write 1")
    assert driver.state.completed == 0


def test_missing_timeout(start: Start) -> None:
    driver, _ = start(Disk(), "STAT stuck READY=0 after 1 read for 5000 reads")
    assert driver.read()[0] == -errno.ETIMEDOUT


def test_surprise_removal(start: Start) -> None:
    driver, mapping = start(Disk())
    with faults.inject(mapping, "Disk removed"):
        assert driver.read()[0] == -errno.ENODEV


def test_race_with_the_hardware(start: Start) -> None:
    driver, _ = start(Disk(damaged=True), "INTR late ERROR=1 by 1 read")
    driver.read()
    assert driver.state.errors == 1


def test_reset_value(start: Start) -> None:
    driver, _ = start(Disk(), "CTRL garbage seed 1")
    assert driver.read() == (0, Disk().block)


def test_stale_dma(start: Start) -> None:
    driver, _ = start(Disk())
    assert driver.read() == driver.read() == (0, Disk().block)


def test_stale_dma_address(start: Start) -> None:
    disk = Disk()
    driver, mapping = start(disk)
    disk.memory = driver.dma = mmio.Dma(trace=mapping.trace)
    descriptor = ctypes.addressof(driver.state) + State.address.offset
    driver.dma.map(descriptor, descriptor, 16, writable=False)
    assert driver.read() == driver.read() == (0, Disk().block)


def test_missing_barrier(start: Start) -> None:
    driver, _ = start(Disk())
    assert [driver.read(length)[1] for length in (4, 8)] == [Disk().block[:4], Disk().block[:8]]


def test_use_after_close(start: Start) -> None:
    disk = Disk()
    driver, mapping = start(disk)
    driver.close()
    before = len(mapping.trace)
    disk.finish()
    assert len(mapping.trace) == before


def test_reserved_bit(library: ctypes.CDLL) -> None:
    class DiskMachine(DriverMachine):
        def make_device(self) -> Any:
            return Disk()

        @rule()
        def open(self) -> None:
            Driver(library, self.target).open()

    run_state_machine_as_test(DiskMachine)
