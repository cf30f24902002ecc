"""Devices at addresses that the caller chooses."""

import mmap
import os
import re
from collections.abc import Iterator
from ctypes import CDLL, c_uint8, c_uint32, c_uint64, c_void_p
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmio import Device, MappingError, UnmappedAccess, ioremap, register
from mmio.inprocess.mapping import fixed_pages
from mmio.linux import libc
from mmio.linux.proc_maps import mappings
from tests.mmio.inprocess.models import Bytes
from tests.native import compile_c, run_python

BASE = 0x4000_0000
SOURCE = """
#include <stdint.h>
#define A ((volatile uint32_t *)0x40000000)
#define B ((volatile uint32_t *)0x40000400)
uint32_t both(uint32_t value) { A[1] = value; B[1] = value + 1; return A[1] + B[1]; }
uint32_t load(uintptr_t at) { return *(volatile uint32_t *)at; }
uint64_t load8(uintptr_t at) { return *(volatile uint64_t *)at; }
void store1(uintptr_t at, uint8_t value) { *(volatile uint8_t *)at = value; }
uint8_t load1(uintptr_t at) { return *(volatile uint8_t *)at; }
"""


class Two(Device):
    first = register(0)
    second = register(4)


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> CDLL:
    driver = compile_c(SOURCE, tmp_path_factory.mktemp("driver"))
    driver.load.argtypes = driver.load8.argtypes = driver.load1.argtypes = (c_void_p,)
    driver.store1.argtypes = (c_void_p, c_uint8)
    driver.load.restype, driver.load8.restype, driver.load1.restype = c_uint32, c_uint64, c_uint8
    return driver


def test_devices_side_by_side_in_a_page(driver: CDLL) -> None:
    """Each answers at its addresses, has its own trace, and what reaches from one into the other is split."""
    one, two = Two(), Two()
    with ioremap(one, 0x400, address=BASE) as a, ioremap(two, 0x400, address=BASE + 0x400, name="Other") as b:
        assert (a.address, int(b)) == (BASE, BASE + 0x400)
        assert driver.both(5) == 11
        assert (one.second.value, two.second.value) == (5, 6)
        assert [access.address for access in a.trace] == [BASE + 4] * 2
        assert [access.register for access in b.trace] == ["SECOND"] * 2
        with pytest.raises(UnmappedAccess, match="has no register at offset 0x3fc"):
            driver.load8(BASE + 0x3FC)


def test_what_is_beside_them_names_the_nearest(driver: CDLL) -> None:
    """It is in a trapped page, and no device has it."""
    with ioremap(Two(), 0x400, address=BASE + 0x400), ioremap(Two(), 8, address=BASE + 0xC00, name="Last"):
        for address, said in (
            (BASE, r"before the nearest device ('Two', 0x40000400..0x40000800)"),
            (BASE + 0x8F0, r"beyond the nearest device ('Two', 0x40000400..0x40000800)"),
            (BASE + 0xBFC, r"before the nearest device ('Last', 0x40000c00..0x40000c08)"),
            (BASE + 0xC08, r"beyond the nearest device ('Last', 0x40000c00..0x40000c08)"),
        ):
            with pytest.raises(UnmappedAccess, match=re.escape(said)):
                driver.load(address)
    with ioremap(Two(), 8, address=BASE, unmapped="ones"):
        assert driver.load(BASE + 8) == 0xFFFF_FFFF


def test_the_address_is_free_again_when_it_is_closed(driver: CDLL) -> None:
    """The pages stay reserved, so a pointer that is left over leads to no other memory, but to the next device."""
    for value in range(3):
        device = Two()
        with ioremap(device, 0x400, address=BASE):
            device.second.value = value
            assert driver.load(BASE + 4) == value
    found = [mapping for mapping in mappings(os.getpid()) if mapping.start <= BASE < mapping.end]
    assert [mapping.permissions[:3] for mapping in found] == ["---"]


def test_a_place_that_is_taken_says_by_what(tmp_path: Path) -> None:
    """By a file, by a device, by memory."""
    file = tmp_path / "image"
    file.write_bytes(bytes(4096))
    with file.open("r+b") as opened, mmap.mmap(opened.fileno(), 4096) as mapped:
        assert len(mapped) == 4096
        place = next(mapping.start for mapping in mappings(os.getpid()) if mapping.path == str(file))
        with pytest.raises(MappingError, match=f"cannot be reserved: {file} is at {place:#x}"):
            ioremap(Two(), 8, address=place)
    anonymous = libc.map_pages(4096)
    with pytest.raises(MappingError, match="cannot be reserved: memory of this process is at"):
        ioremap(Two(), 8, address=anonymous)
    with ioremap(Two(), 0x400, address=BASE), pytest.raises(MappingError, match="'Two' overlaps 0x40000000"):
        ioremap(Two(), 8, address=BASE + 0x3FC)


@pytest.mark.parametrize(
    ("address", "error"),
    [(-4, ValueError), (1 << 47, ValueError), ((1 << 47) - 4096, ValueError), ("4", TypeError), (1.0, TypeError)],
)
def test_addresses_that_nobody_has(address: object, error: type[Exception]) -> None:
    """They are refused before anything is mapped."""
    with pytest.raises(error, match="address"):
        ioremap(Two(), 8, address=address)  # type: ignore[arg-type]


def test_below_mmap_min_addr(driver: CDLL) -> None:
    """Root may map there; other users are told what it takes."""
    if os.getuid() == 0:
        device = Two()
        with ioremap(device, 8, address=0):
            device.second.value = 9
            assert driver.load(4) == 9
    code = """
import os
from mmio import MappingError, ioremap
from tests.mmio.inprocess.models import Bytes
if os.getuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
try:
    ioremap(Bytes(4096), address=0)
except MappingError as error:
    print(error)
"""
    assert "/proc/sys/vm/mmap_min_addr); CAP_SYS_RAWIO (root) may map them" in run_python(code).stdout


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_any_layout_of_devices(driver: CDLL, data: st.DataObject) -> None:
    """Every byte of two pages belongs to the device that lies there, or to none, whatever came and went before."""
    cuts = sorted(data.draw(st.sets(st.integers(0, 8191), min_size=2, max_size=8)))
    places = [(BASE + start, end - start) for start, end in zip(cuts[::2], cuts[1::2], strict=False)]
    devices = [Bytes(length) for _, length in places]
    open_ = [
        ioremap(device, length, address=start, patching=data.draw(st.booleans()))
        for device, (start, length) in zip(devices, places, strict=True)
    ]
    try:
        closed = data.draw(st.sets(st.sampled_from(range(len(open_))), max_size=len(open_) - 1))
        for index in closed:
            open_[index].close()
        for _ in range(20):
            address = BASE + data.draw(st.integers(0, 8191))
            owner = next((i for i, (s, n) in enumerate(places) if s <= address < s + n and i not in closed), None)
            if owner is not None:
                value = data.draw(st.integers(0, 255))
                driver.store1(address, value)
                assert devices[owner].data[address - places[owner][0]] == value
                assert driver.load1(address) == value
            elif any(
                s // 4096 <= (address) // 4096 <= (s + n - 1) // 4096
                for i, (s, n) in enumerate(places)
                if i not in closed
            ):
                with pytest.raises(UnmappedAccess):
                    driver.load1(address)
    finally:
        for mapping in open_:
            mapping.close()


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    yield
    assert not fixed_pages()._gaps
