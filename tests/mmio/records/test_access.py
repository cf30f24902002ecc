"""One access as a value."""

from typing import Any

import pytest
from attrs import evolve
from attrs.exceptions import FrozenInstanceError

from decode import READ_WRITE, WRITE
from mmio.records.flags import SPLIT, UNALIGNED
from tests.mmio.sample_traces import MOV, access


def test_a_record_cannot_be_changed() -> None:
    """A record cannot be changed after the fact."""
    with pytest.raises(FrozenInstanceError):
        access().value = 4  # type: ignore[misc]


def test_device_tells_the_fields() -> None:
    """`decoded` is what the device says of this offset, width and value."""
    told = access(describe=lambda offset, width, value: f"{offset}/{width}/{value}")
    assert told.decoded == "4/4/3"


@pytest.mark.parametrize("silent", [access(), access(region=None, offset=None, describe=lambda *_: "no")])
def test_nothing_to_decode(silent: object) -> None:
    """Without a device that describes, or without a place in one, `decoded` is empty."""
    assert silent.decoded == ""  # type: ignore[attr-defined]


def test_describe_is_not_compared() -> None:
    """Accesses are equal whatever explains them."""
    assert access(describe=lambda *_: "EN=1") == access()


def test_instruction_reads_at_its_ip() -> None:
    """`text` and `code` are the instruction's, and empty when none is known."""
    known = access(instruction=MOV)
    assert (known.text, known.code) == ("mov eax,[rdi+10h]", bytes.fromhex("8b4710"))
    assert (access().text, access().code) == ("", b"")


def test_atomic_reads_and_writes() -> None:
    """An atomic is both a read and a write; the others are one."""
    atomic = access(direction=READ_WRITE, old=1)
    assert (atomic.reads, atomic.writes, atomic.letter) == (True, True, "RW")
    assert (access().reads, access().writes, access().letter) == (True, False, "R")
    write = access(direction=WRITE)
    assert (write.reads, write.writes, write.letter) == (False, True, "W")


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({}, "timer.STATUS"),
        ({"register": None}, "timer+0x4"),
        ({"region": None, "offset": None, "register": None}, "0xfe000004"),
        ({"region": None, "offset": None, "register": None, "space": "port", "address": 0x71}, "port 0x71"),
    ],
)
def test_place_is_the_best_name_there_is(changes: dict[str, Any], place: str) -> None:
    """A place is named by its register, else by region and offset, else by address or port."""
    assert access(**changes).place == place


def test_values_show_all_their_digits() -> None:
    """A value has the digits of its width; an atomic shows both of its values."""
    assert access(value=3, width=2).shown == "0x0003"
    assert access(direction=READ_WRITE, old=1, value=3).shown == "0x00000001 -> 0x00000003"


def test_notes_are_the_flags_in_words() -> None:
    """Every flag is named."""
    assert access(flags=SPLIT | UNALIGNED).notes == "split, unaligned"
    assert access().notes == ""


def test_prints_on_one_line() -> None:
    """Printed, an access says direction, width, place, value, fields, ip and instruction, as far as it has them."""
    full = access(instruction=MOV, describe=lambda *_: "EN=1")
    assert str(full) == "R 4 timer.STATUS 0x00000003 (EN=1) at 0x401000: mov eax,[rdi+10h]"
    assert str(evolve(access(), ip=0)) == "R 4 timer.STATUS 0x00000003"
