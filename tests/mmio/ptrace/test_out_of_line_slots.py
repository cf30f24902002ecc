"""Which copy of an instruction a thread is given."""

import os
from collections.abc import Iterator

import pytest

from decode import WRITE, MemoryTouch, decode
from mmio.ptrace.out_of_line_slots import SIZE, TAKEN, Copies

FNSTENV = decode(bytes.fromhex("d937"))  # fnstenv [rdi]
SQRTPS = decode(bytes.fromhex("0f5107"))  # sqrtps xmm0,[rdi]


@pytest.fixture
def copies() -> Iterator[Copies]:
    """The copies in a process whose memory is a file."""
    memory = os.memfd_create("memory")
    os.ftruncate(memory, SIZE)
    yield Copies(memory, 0)
    os.close(memory)


def test_nobody_is_given_a_copy_that_somebody_is_in(copies: Copies) -> None:
    """A second thread at the same instruction has another copy, until the first is out of it."""
    first = copies.take(FNSTENV)
    first.taken, first.stores = True, [MemoryTouch(WRITE, 0x1000, 28)]
    assert copies.take(FNSTENV) is not first
    first.taken = False
    assert copies.take(FNSTENV) is first


def test_a_load_says_itself_that_it_is_over(copies: Copies) -> None:
    """The word that the copy of a load clears on its way out makes it free."""
    first = copies.take(SQRTPS)
    first.taken = True
    copies.put(first.data + TAKEN, (1).to_bytes(8, "little"))
    assert copies.take(SQRTPS) is not first
    copies.put(first.data + TAKEN, bytes(8))
    assert copies.take(SQRTPS) is first


def test_there_are_so_many_and_no_more(copies: Copies) -> None:
    """When a thread is in every copy, that is an error, and no copy is taken away."""
    for _ in range(64):
        copy = copies.take(FNSTENV)
        copy.taken, copy.stores = True, [MemoryTouch(WRITE, 0x1000, 28)]
    with pytest.raises(MemoryError, match="all 64 natively completed instructions of a process are in use"):
        copies.take(FNSTENV)
