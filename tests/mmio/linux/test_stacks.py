"""Bounds of stacks, and room under the recursion limit."""

import sys
import threading

import pytest

from mmio.linux.libc import PAGE
from mmio.linux.stacks import handler_floor, need_calls, stack_of_thread

MIB = 1 << 20


@pytest.mark.parametrize("size", [17, 64, 4096])
def test_handlers_fill_a_part_of_a_large_stack(size: int) -> None:
    """Of a stack that is larger, handlers may fill the upper 16 MiB."""
    stack = range(MIB, MIB + size * MIB)
    assert handler_floor(stack) == stack.stop - 16 * MIB


@pytest.mark.parametrize("size", [1, 2, 8])
def test_what_is_kept_of_a_stack_does_not_grow_with_it(size: int) -> None:
    """Kept are 64 KiB and two signal frames, which are 1 KiB at least and 11 KiB with AMX."""
    stack = range(MIB, MIB + size * MIB)
    assert 66 << 10 <= handler_floor(stack) - stack.start <= 128 << 10


def test_a_stack_is_without_its_guard_pages() -> None:
    """All of a thread's stack may be written."""
    found: list[str] = []

    def look() -> None:
        stack = stack_of_thread()
        with open("/proc/self/maps") as maps:
            for line in maps:
                start, end = (int(bound, 16) for bound in line.split()[0].split("-"))
                if start < stack.stop and stack.start < end:
                    found.append(line.split()[1])
        assert len(stack) >= 16 * PAGE

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert found
    assert {protection[:2] for protection in found} == {"rw"}


def test_room_is_there_up_to_the_recursion_limit() -> None:
    """Calls that fit below the limit are room enough; more of them are not."""
    need_calls(sys.getrecursionlimit() // 4)
    with pytest.raises(RecursionError):
        need_calls(sys.getrecursionlimit())
