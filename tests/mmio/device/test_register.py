"""Registers: what a declaration may say, and what accesses then do."""

from typing import Any

import pytest

from mmio import DefinitionError, Device, array, bit, field, register
from mmio.device.declared import Declared
from mmio.device.field import Field


def _device(declared: Declared[Any]) -> Device:
    """A device with this register or array as `reg`."""
    kind = type("Card", (Device,), {"reg": declared})
    device = kind()
    assert isinstance(device, Device)
    return device


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        (register(0, width=3), r"width 3, expected one of \[1, 2, 4, 8, 16, 32, 64\]"),
        (register(-4), "offset -4, expected 0 or more"),
        (register(0, width=1, reset=256), "reset 0x100 does not fit in 1 bytes"),
        (register(0, reset=-1), "reset -0x1 does not fit in 4 bytes"),
        (register(0, on_write="w1c"), "on_write is 'w1c', expected one of"),  # type: ignore[arg-type]
        (register(0, on_read="clear"), "on_read is 'clear', expected one of"),  # type: ignore[arg-type]
        (register(0, access="ro"), "access is 'ro', expected one of"),  # type: ignore[arg-type]
        (register(0, access="r", on_write="wot"), "on_write='wot', but access 'r' never writes it"),
        (register(0, on_write="w1c"), r".*; what others call w1c is 'woclr' here$"),  # type: ignore[arg-type]
        (register("0x10"), "offset is '0x10', expected an int"),  # type: ignore[arg-type]
        (register(0, width=None), "width is None, expected an int"),  # type: ignore[arg-type]
        (array(0, count=0), "count 0, expected 1 or more"),
        (array(0, count=2, stride=2, width=4), "stride 2 is less than the width 4"),
    ],
)
def test_a_wrong_register_is_an_error_of_the_class(declared: Declared[Any], message: str) -> None:
    """Found when the class is made, naming class and register."""
    with pytest.raises(DefinitionError, match=f"^Card.reg: {message}"):
        _device(declared)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ([bit("EN", 8)], r"field 'EN' \(bits 8\) is outside the register, which has bits 7:0"),
        ([field("F", 0, 3)], r"field 'F' \(bits 0:3\): expected the most significant bit first, from 0 up"),
        ([bit("F", -1)], r"field 'F' \(bits -1\): expected the most significant bit first, from 0 up"),
        ([field("A", 3, 0), field("B", 5, 3)], r"field 'B' \(bits 5:3\) overlaps field 'A' \(bits 3:0\)"),
        ([bit("A", 0), bit("A", 1)], r"field 'A' \(bits 1\): the name is taken by bits 0"),
        ([bit("read", 0)], r"field 'read' \(bits 0\): a field cannot have this name"),
        ([bit("A", 0, enum={2: "ON"})], r"field 'A' \(bits 0\): its enum names 2, expected numbers in 0\.\.0x1"),
        ([bit("value", 0)], r"field 'value' \(bits 0\): a field cannot have this name"),
        ([bit("_A", 0)], r"field '_A' \(bits 0\): a field cannot have this name"),
        ([bit("", 0)], r"field '' \(bits 0\): a field cannot have this name"),
        ([field("F", 1, 0, reset=4)], "field 'F': reset 0x4 does not fit in 2 bits"),
        ([field("F", 7, 4, reset=3)], "field 'F': reset 0x3, but the register's reset 0x50 has 0x5 there"),
        ([bit("F", 0, on_write="w1c")], "field 'F': on_write is 'w1c', expected one of"),  # type: ignore[arg-type]
        ([bit("F", 0, access="r", singlepulse=True)], "field 'F': singlepulse, but access 'r' never writes it"),
    ],
)
def test_a_wrong_field_is_an_error_of_the_class(fields: list[Field], message: str) -> None:
    """Naming class, register and field."""
    with pytest.raises(DefinitionError, match=f"^Card.reg: {message}"):
        _device(register(0, width=1, reset=0x50, fields=fields))


def test_names_come_from_attributes() -> None:
    """In upper case, as datasheets print them, unless a name is given."""
    assert _device(register(0)).name_at(0, 4) == "REG"
    assert _device(register(0, name="CR1")).name_at(0, 4) == "CR1"
    assert _device(array(0, count=4, stride=8)).name_at(0x18, 4) == "REG[3]"


def test_reset_values_come_from_register_and_fields() -> None:
    """A field's reset fills its bits in; saying the same twice is no contradiction."""
    fields = [field("HIGH", 7, 4, reset=0xA), field("LOW", 3, 0, reset=5)]
    assert _device(register(0, width=1, reset=0x05, fields=fields)).read(0, 1) == 0xA5


def test_fields_may_differ_from_their_register() -> None:
    """A field's words replace the register's for its bits; bits without a field do as the register says."""
    device = _device(
        register(
            0,
            width=1,
            reset=0xFF,
            on_write="woclr",
            fields=[bit("RO", 0, access="r"), field("PLAIN", 3, 2, on_read="rclr"), bit("HIDDEN", 7, access="w")],
        )
    )
    assert device.read(0, 1) == 0x7F
    assert device.read(0, 1) == 0x73
    device.write(0, 1, 0x11)
    assert device.read(0, 1) == 0x63


def test_written_once_is_locked_until_reset() -> None:
    """rw1 takes the first write only, byte lane by byte lane; reset opens it again."""
    device = _device(register(0, width=2, access="rw1"))
    device.write(0, 1, 0x11)
    device.write(0, 2, 0x2222)
    device.write(0, 2, 0x3333)
    assert device.read(0, 2) == 0x2211
    device.reset()
    device.write(0, 2, 0x4444)
    assert device.read(0, 2) == 0x4444


def test_a_single_pulse_is_seen_by_the_handler_only() -> None:
    """A written one starts something; read back, even after an error, it is zero."""

    class Engine(Device):
        ctrl = register(0, fields=[bit("START", 0, singlepulse=True), bit("EN", 1)])
        seen: tuple[int, int, int]

        @ctrl.written
        def _ctrl(self, old: int, new: int) -> None:
            self.seen = (old, new, self.ctrl.START)
            if new & 0x100:
                raise RuntimeError

    engine = Engine()
    engine.write(0, 4, 3)
    assert (engine.seen, engine.read(0, 4)) == ((0, 3, 1), 2)
    with pytest.raises(RuntimeError):
        engine.write(0, 4, 0x101)
    assert engine.read(0, 4) == 0x100


def test_stride_leaves_room_for_others() -> None:
    """Two arrays may interleave, as channels of registers do."""

    class Channels(Device):
        ctrl = array(0x0, count=3, stride=0x10)
        stat = array(0x4, count=3, stride=0x10)

    assert [Channels().name_at(offset, 4) for offset in (0x10, 0x14, 0x24)] == ["CTRL[1]", "STAT[1]", "STAT[2]"]
    assert Channels.layout.extent == 0x28


def test_fields_are_fields() -> None:
    """A single one needs no list; anything else is refused where it is written."""
    assert [place.name for place in _device(register(0, fields=bit("EN", 0))).layout.places[0].fields] == ["EN"]
    with pytest.raises(DefinitionError, match=r"^fields are made with field\(\) and bit\(\), got 'EN'$"):
        register(0, fields={"EN": 0})  # type: ignore[dict-item]
