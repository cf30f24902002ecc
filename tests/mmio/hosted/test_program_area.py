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
assert first in AREA and second == first + 4096
assert third % (1 << 21) == 0 and third >= second + 8192
print("done")
"""

DEVICES = """
from mmio.hosted.program_area import AREA, Area
start = Area().place(1)
devices = [range(start + 0x5400, start + 0x5800), range(start, start + 0x400)]
area = Area(devices)
places = [area.place(0x2000) for _ in range(4)] + [area.place(1 << 21, 1 << 21)]
assert places[:3] == [start + 0x1000, start + 0x3000, start + 0x6000], places
assert not any(place < device.stop and device.start < place + 0x2000 for place in places for device in devices)
assert places[4] % (1 << 21) == 0
print("done")
"""


FILES = """
from mmio.hosted.program_area import AREA, Area
area = Area()
files = [area.place(4096, of_file=True) for _ in range(3)]
others = [area.place(4096), area.set_break(0), area.place(1 << 40, of_file=True), area.place(4096)]
assert files == [files[0] + 4096 * index for index in range(3)]
assert files[0] - AREA.start >= 1 << 31
assert all(other - files[-1] >= 1 << 31 for other in others), others
assert len(set(others)) == 4
area.move_on(3)
again = area.place(4096, of_file=True)
assert again - files[-1] >= 1 << 31 and area.place(4096) - again >= 1 << 31
print("done")
"""

OWN = """
from ctypes import c_uint8
from mmio.hosted.program_area import AREA, Area
from mmio.linux.libc import PROT_READ, PROT_WRITE
first = Area().place(1, of_file=True)
area = Area([range(first + 0x8400, first + 0x8500)])
writable = PROT_READ | PROT_WRITE
assert area.map_exactly(first + 0x2000, 0x1000, writable)
c_uint8.from_address(first + 0x2fff).value = 1
assert not area.map_exactly(first + 0x2000, 0x1000, writable)
assert not area.map_exactly(first + 0x7000, 0x2000, writable)
assert not area.map_exactly(AREA.start - 0x1000, 0x1000, writable)
assert not area.map_exactly(AREA.stop - 0x1000, 0x2000, writable)
places = [area.place(0x2000, of_file=True) for _ in range(4)]
assert places == [first, first + 0x3000, first + 0x5000, first + 0x9000], [hex(place - first) for place in places]
area.clear()
assert area.map_exactly(first + 0x2000, 0x1000, writable)
print("done")
"""


def test_files_have_room_around_them() -> None:
    """Nothing else is within 2 GiB, not the heap, not another program's files; what is too large goes elsewhere."""
    assert run_python(FILES).stdout == "done\n"


def test_pages_for_stubs_are_the_areas() -> None:
    """They are taken where nothing is, not given out, not where a device is, and gone with the program."""
    assert run_python(OWN).stdout == "done\n"


def test_the_heap_moves_as_brk_moves_it() -> None:
    """The break goes up and down, new pages are zero, and where it cannot go it stays."""
    assert run_python(HEAP).stdout == "done\n"


def test_places_do_not_overlap() -> None:
    """Each place begins where the one before ends, or at the next multiple of what is asked for."""
    assert run_python(PLACES).stdout == "done\n"


def test_what_devices_have_is_left_free() -> None:
    """No place lies over a page in which a device is."""
    assert run_python(DEVICES).stdout == "done\n"
