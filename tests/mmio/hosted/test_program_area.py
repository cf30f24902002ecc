"""The program's part of the address space, in a process of its own: what is mapped there stays there."""

from tests.native import run_python

HEAP = """
from ctypes import c_uint8
from mmio.hosted.program_area import AREA, Area
area = Area()
start = area.set_break(0)
assert start in AREA
assert area.set_break(start + 5000) == start + 5000
c_uint8.from_address(start + 4999).value = 7
assert area.set_break(start + 100) == start + 100
assert area.set_break(start + 5000) == start + 5000
assert c_uint8.from_address(start + 4999).value == 0
assert area.set_break(start - 1) == area.set_break(start + (1 << 40)) == start + 5000
area.clear()
assert area.set_break(0) == start
print("done")
"""

PLACES = """
from mmio.hosted.program_area import AREA, Area
area = Area()
first, second, third = area.place(1), area.place(4097), area.place(1, 1 << 21)
assert first == AREA.start and second == first + 4096
assert third % (1 << 21) == 0 and third >= second + 8192
print("done")
"""

DEVICES = """
from mmio.hosted.program_area import AREA, Area
devices = [range(AREA.start + 0x5400, AREA.start + 0x5800), range(AREA.start, AREA.start + 0x400)]
area = Area(devices)
places = [area.place(0x2000) for _ in range(4)] + [area.place(1 << 21, 1 << 21)]
assert places[:3] == [AREA.start + 0x1000, AREA.start + 0x3000, AREA.start + 0x6000], places
assert not any(place < device.stop and device.start < place + 0x2000 for place in places for device in devices)
assert places[4] % (1 << 21) == 0
print("done")
"""


def test_the_heap_moves_as_brk_moves_it() -> None:
    """The break goes up and down, new pages are zero, and where it cannot go it stays."""
    assert run_python(HEAP).stdout == "done\n"


def test_places_do_not_overlap() -> None:
    """Each place begins where the one before ends, or at the next multiple of what is asked for."""
    assert run_python(PLACES).stdout == "done\n"


def test_what_devices_have_is_left_free() -> None:
    """No place lies over a page in which a device is."""
    assert run_python(DEVICES).stdout == "done\n"
