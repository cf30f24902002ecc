"""Documents out of device classes."""

import re
import subprocess
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmio import (
    DefinitionError,
    Device,
    array,
    bit,
    block,
    blocks,
    document,
    field,
    fifo_register,
    indexed,
    line,
    register,
)
from mmio.documents.document import FORMATS
from tests.mmio.descriptions.devices import devices
from tests.needs import need


class Queue(Device):
    """A ring."""

    tail = register(0x4, doc="Where the driver is")
    slots = array(0x10, count=2, stride=8, fields=[bit("VALID", 0)])
    irq = line()


class Bank(Device):
    """Registers behind an index."""

    low = register(0, width=1)
    ram = array(0x10, count=4, width=1)


class Card(Device):
    """A card that has one of each.

        an example

    It has no more.
    """

    ctrl = register(0x00, reset=0x5, fields=[bit("EN", 0), field("MODE", 3, 2, enum={0: "OFF", 1: "ON"})])
    stat = register(0x04, on_write="woclr", fields=[bit("DONE", 0), bit("GO", 1, on_write="wset", singlepulse=True)])
    wide = register(0x08, width=8, fields=[field("TOP", 63, 40)])
    rx = fifo_register(0x10, depth=16, width=1, access="r")
    index = register(0x14, width=1)
    bank = indexed(0x15, Bank, by=index)
    fifo = array(0x20, count=4, width=2)
    queue = blocks(0x100, Queue, count=3, stride=0x40)
    admin = block(0x200, Queue)
    irq = line()

    @ctrl.written
    def _control(self, old: int, new: int) -> None:
        """Start the engine. The rest is silence."""


def test_markdown_has_a_row_for_each_register() -> None:
    """Arrays and equal blocks are one; offsets say how they lie; effects are said in words."""
    text = document(Card)
    assert text.startswith("# Card\n\nA card that has one of each.\n")
    for row in (
        "| `0x00` | `CTRL` | 4 | read, write | 0x00000005 | on a write: Start the engine. The rest is silence |",
        "| `0x04` | `STAT` | 4 | read, write | 0x00000000 | writing 1 clears a bit |",
        "| `0x10` | `RX` | 1 | read | 0x00 | in front of a queue of 16 |",
        "| `0x15` | `bank.LOW` | 1 | read, write | 0x00 | when INDEX = 0x0 |",
        r"| `0x15` | `bank.RAM[0..3]` | 1 | read, write | 0x00 | when INDEX = 0x10 + 0x1\*i |",
        "| `0x20 + 0x2*i` | `FIFO[0..3]` | 2 | read, write | 0x0000 |  |",
        "| `0x104 + 0x40*i` | `queue[0..2].TAIL` | 4 | read, write | 0x00000000 | Where the driver is |",
        "| `0x110 + 0x40*i + 0x8*j` | `queue[0..2].SLOTS[0..1]` | 4 | read, write | 0x00000000 |  |",
        "| `3:2` | `MODE` | read, write | 0x1 | 0x0 OFF, 0x1 ON |",
        "| `1` | `GO` | read, write | 0x0 | any write sets all bits; a written 1 is gone at once |",
    ):
        assert row in text.splitlines(), row
    assert "Lines: `queue[0..2].irq`, `admin.irq`, `irq`" in text
    assert "an example" not in text


class _Balanced(HTMLParser):
    """Checks that elements are closed in order, and keeps the texts."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@given(devices())
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_html_is_well_formed_whatever_the_names(device: type[Device]) -> None:
    """Names are text, never markup, and there is nothing to load."""
    if not device.layout.places:
        return
    text = document(device, "html")
    parser = _Balanced()
    parser.feed(text)
    assert parser.open == []
    assert "<script" not in text
    assert not re.search(r"<[^>]*(src|href)=", text)


def _values(header: str, folder: Path, expressions: list[str]) -> list[int]:
    """What a C program that includes the header says of expressions."""
    need("cc", "gcc libc6-dev")
    (folder / "card.h").write_text(header)
    prints = "".join(f'    printf("%llu\\n", (unsigned long long)({each}));\n' for each in expressions)
    source = f'#include <stdio.h>\n#include "card.h"\nint main(void)\n{{\n{prints}    return 0;\n}}\n'
    (folder / "card.c").write_text(source)
    flags = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic"]
    subprocess.run(["cc", *flags, "-o", folder / "card", folder / "card.c"], check=True)
    printed = subprocess.run([folder / "card"], check=True, capture_output=True, text=True).stdout
    return list(map(int, printed.split()))


NOTE = re.compile(r"/\* (\d+) bytes?, (\w+) \*/")


@settings(deadline=None, max_examples=60)
@given(devices())
def test_a_header_says_what_a_driver_may_do(device: type[Device]) -> None:
    """Law: the access in the comment is what the bits of the register allow, also where each field has its own."""
    said = {(int(width), "r" in access, "w" in access) for width, access in NOTE.findall(document(device, "c"))}
    assert said == {(place.width, place.readable, place.writable) for place in device.layout.places}


def test_a_c_program_sees_the_offsets_of_the_layout(tmp_path: Path) -> None:
    """Compiled without a warning: offsets, masks, shifts, values and counts are those of the class."""
    at = {place.name: place.offset for place in Card.layout.places}
    expected = {
        "CARD_CTRL_OFFSET": at["CTRL"],
        "CARD_CTRL_RESET": 5,
        "CARD_CTRL_MODE_SHIFT": 2,
        "CARD_CTRL_MODE_MASK": 0xC,
        "CARD_CTRL_MODE_ON": 1,
        "CARD_WIDE_TOP_MASK": 0xFFFFFF << 40,
        "CARD_FIFO_OFFSET(3)": at["FIFO[3]"],
        "CARD_FIFO_COUNT": 4,
        "CARD_QUEUE_TAIL_OFFSET(2)": at["queue[2].TAIL"],
        "CARD_QUEUE_SLOTS_OFFSET(1 + 1, 0 + 1)": at["queue[2].SLOTS[1]"],
        "CARD_QUEUE_COUNT": 3,
        "CARD_ADMIN_SLOTS_OFFSET(1)": at["admin.SLOTS[1]"],
        "CARD_BANK_DATA_OFFSET": at["bank.LOW"],
        "CARD_BANK_RAM_INDEX(2)": 0x12,
        "CARD_EXTENT": Card.layout.extent,
    }
    assert _values(document(Card, "c"), tmp_path, list(expected)) == list(expected.values())


@given(device=devices())
@settings(max_examples=15, suppress_health_check=[*HealthCheck], deadline=None)
def test_headers_compile_whatever_the_names(device: type[Device], tmp_path: Path) -> None:
    """No two macros have one name, and each is used as a number."""
    if not device.layout.places:
        return
    header = document(device, "c")
    names = re.findall(r"#define (\w+)(\(\w+(?:, \w+)*\))?", header)
    assert len({name for name, _ in names}) == len(names)
    uses = [f"{name}{'(' + ', '.join('0' * (call.count(',') + 1)) + ')' if call else ''}" for name, call in names[1:]]
    assert len(_values(header, tmp_path, uses)) == len(uses)


class Empty(Device):
    """Nothing."""


class Sharing(Device):
    """Registers that come and go."""

    lcr = register(3, width=1)
    dll = register(0, width=1, when=lcr.has(0x80))


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        (lambda: document(Card, "pdf"), ValueError, "format is one of markdown, html, c, svd, not 'pdf'"),
        (lambda: document(3), TypeError, "a document is of a Device class, not of 3"),
        (lambda: document(Empty), ValueError, "Empty has no registers, so there is nothing to document"),
        (
            lambda: document(Sharing, "svd"),
            DefinitionError,
            "Sharing.DLL is there only when LCR says so, for which SVD",
        ),
    ],
)
def test_mistakes_get_one_clear_error(call: Any, kind: type[Exception], message: str) -> None:
    """Each says what was expected and what came."""
    with pytest.raises(kind, match=message):
        call()


def test_a_device_stands_for_its_class() -> None:
    """In every format."""
    for form in FORMATS:
        device = Queue
        assert document(device(), form) == document(device, form)


@given(st.sampled_from(sorted(FORMATS)))
def test_the_condition_of_a_register_is_said(form: str) -> None:
    """In tables."""
    if form == "markdown":
        assert "| `0x00` | `DLL` | 1 | read, write | 0x00 | when LCR = 0x80 |" in document(Sharing, form)
