"""A test for each mistake. LIGHTS_FLAGS are flags for the compiler: -DBUG_BELL plants one."""

import ctypes
import os
from collections.abc import Iterator
from contextlib import closing

import pytest
from lights import Lights, build

import mmio
from mmio import faults

COLOURS = [0x100000 + number for number in range(20)]


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return build(tmp_path_factory.mktemp("lights"), *os.environ.get("LIGHTS_FLAGS", "").split())


@pytest.fixture
def lights() -> Lights:
    return Lights()


@pytest.fixture
def regs(driver: ctypes.CDLL, lights: Lights) -> Iterator[mmio.Mapping]:
    with mmio.ioremap(lights) as regs, closing(mmio.Interrupt(lights.irq, lambda: driver.lights_irq(regs))):
        yield regs


def show(driver: ctypes.CDLL, regs: mmio.Mapping, strip: int, colours: list[int]) -> None:
    driver.lights_show(regs, strip, (ctypes.c_uint32 * len(colours))(*colours), len(colours))


def test_the_doorbell_of_each_strip(driver: ctypes.CDLL, lights: Lights, regs: mmio.Mapping) -> None:
    for strip in range(4):
        show(driver, regs, strip, COLOURS[strip : strip + 2])
    rung = regs.trace.filter("Lights.STRIP*.BELL")
    mmio.assert_accesses(rung, [f"W4 STRIP[{strip}].BELL=1" for strip in range(4)])
    assert lights.shown == [COLOURS[strip : strip + 2] for strip in range(4)]


def test_more_colours_than_the_fifo_takes(driver: ctypes.CDLL, lights: Lights, regs: mmio.Mapping) -> None:
    show(driver, regs, 0, COLOURS)
    assert not lights.strip[0].fifo.overrun
    assert lights.shown[0] == COLOURS


def test_an_interrupt_between_index_and_data(driver: ctypes.CDLL, lights: Lights, regs: mmio.Mapping) -> None:
    with faults.inject(regs, "irq spurious at write 1"):
        driver.lights_dim(regs, 2, 80)
    assert [gain.value for gain in lights.settings.gain] == [255, 255, 80, 255]
