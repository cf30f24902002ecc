"""Where a device answers."""

import argparse
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmio.commands.where import FORMS, DeviceArgument, DevicePlace, addresses, device, forms, part_of_file, ports

EXAMPLES = {
    "ports:FIRST+COUNT": ("ports:0x378+3", DevicePlace("ports", "", 0x378, 3)),
    "ports:FIRST-LAST": ("ports:0x378-0x37a", DevicePlace("ports", "", 0x378, 3)),
    "ports:PORT": ("ports:0x80", DevicePlace("ports", "", 0x80, 1)),
    "range:START+LENGTH": ("range:0x7f0000000000+4K", DevicePlace("range", "", 0x7F0000000000, 4096)),
    "pci:ADDRESS": ("pci:00:03.0", DevicePlace("pci", "00:03.0", 0, None)),
    "PATH": ("/dev/uio*", DevicePlace("file", "/dev/uio*", 0, None)),
    "PATH:OFFSET": ("/dev/mem:0xfe000000", DevicePlace("file", "/dev/mem", 0xFE000000, None)),
    "PATH:OFFSET+LENGTH": ("/dev/mem:0xfe000000+0x1000", DevicePlace("file", "/dev/mem", 0xFE000000, 0x1000)),
}


@pytest.mark.parametrize("answer", ["error", "ones", "zeros"])
@pytest.mark.parametrize("where", ["ports:0x300+4", "/dev/a,b", "/dev/mem:0x1000+0x10"])
def test_a_policy_may_follow_the_place(where: str, answer: str) -> None:
    """What follows the last comma is the policy, and the rest is the place, which may have commas."""
    plain, own = device(f"card.py:Card@{where}"), device(f"card.py:Card@{where},unmapped={answer}")
    assert (plain.unmapped, own.unmapped) == (None, answer)
    assert own.place == plain.place


@pytest.mark.parametrize("form", [form for form, _ in FORMS])
def test_every_documented_form_is_understood(form: str) -> None:
    """Each form that is documented is understood."""
    where, place = EXAMPLES[form]
    assert device(f"models/card.py:Card@{where}") == DeviceArgument("models/card.py", "Card", place)
    assert form in forms()


@pytest.mark.parametrize(
    "path",
    ["/sys/bus/pci/devices/0000:00:1f.0/resource0", "/dev/bus:0", "/tmp/a+b", "/x@y", "/a:b+c/d", "relative.bin"],
)
def test_paths_may_have_colons(path: str) -> None:
    """A path is one although a part of it looks like something else."""
    assert part_of_file(path) == DevicePlace("file", path, 0, None)
    assert part_of_file(f"{path}:0x10+2") == DevicePlace("file", path, 0x10, 2)


@pytest.mark.parametrize(
    ("text", "pointed", "problem"),
    [
        ("card.py", "", "there is no @"),
        ("card.py@/dev/uio0", "@", "there is no colon"),
        ("card:Card@/dev/uio0", "card:", "expected a Python file such as card.py, got 'card'"),
        ("card.py:Ca rd@/dev/uio0", "Ca rd", "expected the name of a class after the colon, got 'Ca rd'"),
        ("card.py:Card@", "", "there is nothing where a path was expected"),
        ("card.py:Card@:0+4", ":0+4", "there is no path before the colon"),
        ("card.py:Card@ports:", "", "the first port: expected a number such as 0x1000, 4096 or 4K, got ''"),
        ("card.py:Card@pci:", "", "a PCI address is [[DOMAIN:]BUS:]DEVICE.FUNCTION in hexadecimal"),
        ("card.py:Card@pci:20.0", "20.0", "such as 00:03.0, not '20.0'"),
        ("card.py:Card@pc:3.0", "pc:3.0", "there is no pc:; did you mean pci:?"),
        ("card.py:Card@ports:x+1", "x+1", "the first port: expected a number"),
        ("card.py:Card@ports:0x378+x", "x", "the count of ports: expected a number"),
        ("card.py:Card@ports:0x378+0", "0", "the count of ports is 0, expected 1 or more"),
        ("card.py:Card@ports:5-4", "4", "the last port is below the first, 0x5"),
        ("card.py:Card@ports:0xffff+2", "0xffff+2", "ports end at 0xffff, this is up to 0x10000"),
        ("card.py:Card@range:0x1000", "", "there is no +LENGTH"),
        ("card.py:Card@range:0x1000-0x2000", "-0x2000", "there is no +LENGTH"),
        ("card.py:Card@range:-1+4", "-1+4", "the start: expected a number"),
        (
            "card.py:Card@range:0x7fffffffffff+2",
            "0x7fffffffffff+2",
            "addresses of programs end at 0x7fffffffffff, this is up to 0x800000000000",
        ),
        ("card.py:Card@/dev/mem:x+4", "x+4", "the offset: expected a number"),
        ("card.py:Card@/dev/mem:0+", "", "the length: expected a number"),
        ("card.py:Card@/dev/mem:0xfffffffffffffffff", "0xffff", "expected 0 to 0xffffffffffffffff"),
    ],
)
def test_the_wrong_part_is_pointed_at(text: str, pointed: str, problem: str) -> None:
    """An error says what is wrong, points at it in what was written, and lists the forms there are."""
    with pytest.raises(argparse.ArgumentTypeError) as raised:
        device(text)
    said, quoted, pointer, expected = str(raised.value).splitlines()
    assert problem in said
    assert quoted == f"  {text}"
    assert quoted[pointer.index("^") :].startswith(pointed)
    assert pointed or pointer.index("^") == len(quoted)
    assert all(form in expected for form, _ in FORMS)


def test_range_takes_a_start_and_a_length() -> None:
    """--range takes a start and a length."""
    assert addresses("0x1000+0x100") == DevicePlace("range", "", 0x1000, 0x100)
    with pytest.raises(argparse.ArgumentTypeError, match="expected START\\+LENGTH"):
        addresses("0x1000")


def test_ports_takes_a_first_and_a_last_or_a_count() -> None:
    """--ports takes a first and a last one, or a count, or one port, and says so."""
    assert ports("0x70-0x71") == ports("0x70+2") == DevicePlace("ports", "", 0x70, 2)
    assert ports("0x80") == DevicePlace("ports", "", 0x80, 1)
    for wrong in ("", "0x70-", "0x70+0", "0x71-0x70", "0xffff+2", "rtc"):
        with pytest.raises(argparse.ArgumentTypeError, match="expected FIRST-LAST, FIRST\\+COUNT or PORT"):
            ports(wrong)


@given(st.integers(0, 0xFFFF), st.integers(1, 0x10000))
def test_ports_in_both_forms(first: int, count: int) -> None:
    """FIRST+COUNT and FIRST-LAST are the same ports, or the same mistake."""
    spellings = [f"a.py:A@ports:{first:#x}+{count}", f"a.py:A@ports:{first}-{first + count - 1:#x}"]
    if first + count > 0x10000:
        for spelling in spellings:
            with pytest.raises(argparse.ArgumentTypeError, match="ports end at 0xffff"):
                device(spelling)
    else:
        assert {device(spelling).place for spelling in spellings} == {DevicePlace("ports", "", first, count)}


@given(st.text())
def test_any_text_is_a_device_or_refused(text: str) -> None:
    """Nothing else ever comes out."""
    for parse in (device, part_of_file, addresses, ports):
        with suppress(argparse.ArgumentTypeError):
            parse(text)
