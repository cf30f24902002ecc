"""A test for each mistake. UPPER_FLAGS are flags for the compiler: -DBUG_ORDER plants one."""

import ctypes
import errno
import os

import pytest
from upper import Choosy, Upper, build

import mmio


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    return build(tmp_path_factory.mktemp("upper"), *os.environ.get("UPPER_FLAGS", "").split())


def call(driver: ctypes.CDLL, regs: mmio.Mapping, text: bytes) -> tuple[int, bytes]:
    answer = ctypes.create_string_buffer(len(text))
    return driver.upper_call(regs, text, answer, len(text)), answer.raw


def test_the_device_may_refuse(driver: ctypes.CDLL) -> None:
    with mmio.ioremap(Choosy()) as regs:
        assert driver.upper_open(regs) == -errno.ENOTSUP


def test_a_chain_is_well_formed(driver: ctypes.CDLL) -> None:
    device = Upper()
    with mmio.ioremap(device) as regs:
        driver.upper_open(regs)
        call(driver, regs, b"text")
    assert device.problems == []


def test_each_notification_is_answered(driver: ctypes.CDLL) -> None:
    with mmio.ioremap(Upper()) as regs:
        driver.upper_open(regs)
        for number in range(10):  # more than the ring has entries
            assert call(driver, regs, b"text %d" % number) == (6, b"TEXT %d" % number)
