"""A device class written as SVD: what `from_svd` makes of it is the same device."""

import warnings
from pathlib import Path
from typing import Any

from attrs import evolve
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mmio import Device, array, block, blocks, document, from_svd, line, register
from mmio.device.register import RegisterArray
from tests.mmio.descriptions.devices import behaviour, registers


def _plain(member: Any) -> Any:
    """The same register without what SVD has no words for: no access at all, singlepulse, names that are no names."""
    fields = [
        evolve(
            each,
            name=f"F{number}",
            enum={value: f"V{value}" for value in each.enum},
            access="rw" if each.access == "na" else each.access,
            singlepulse=False,
        )
        for number, each in enumerate(member.fields)
    ]
    words = {
        "reset": member.reset_value,
        "fields": fields,
        "access": "rw" if member.access == "na" else member.access,
        "on_read": member.on_read,
        "on_write": member.on_write,
        "width": member.width,
        "name": member.name,
        "doc": member.doc,
    }
    if isinstance(member, RegisterArray):
        return array(member.offset, member.count, member.stride, **words)
    return register(member.offset, **words)


@st.composite
def described(draw: st.DrawFn, depth: int = 2) -> type[Device]:
    """A device class that SVD has words for: registers, arrays, blocks and arrays of blocks."""
    body: dict[str, Any] = {"irq": line()} if draw(st.booleans()) else {}
    offset = draw(st.integers(0, 4)) * 64
    for number in range(draw(st.integers(1, 3))):
        kind = draw(st.sampled_from(["register", "register", "block", "blocks"])) if depth else "register"
        name = f"{draw(st.sampled_from(['CTRL', 'a', 'Data']))}{number}"
        if kind == "register":
            member = _plain(draw(registers(offset, name)))
            size = member.offset + 4096
        else:
            inner = draw(described(depth - 1))
            stride = inner.layout.extent + draw(st.sampled_from([0, 4, 100]))
            count = draw(st.integers(1, 3))
            member = (
                block(offset, inner, name=name) if kind == "block" else blocks(offset, inner, count, stride, name=name)
            )
            size = offset + stride * count + 64
        body[f"m{number}"] = member
        offset = size
    return type("Card", (Device,), body)


@given(device=described())
@settings(suppress_health_check=[*HealthCheck], deadline=None)
def test_it_reads_back_as_the_same_layout(device: type[Device], tmp_path: Path) -> None:
    """Names, places, fields, names of values, values at reset, access and effects."""
    path = tmp_path / "card.svd"
    path.write_text(document(device, "svd"), encoding="utf-8")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        again = from_svd(path, "Card", strict=True)
    assert behaviour(again) == behaviour(device)


def test_what_is_lost_is_in_a_comment() -> None:
    """Handlers, lines, bits without access, singlepulse."""
    from tests.mmio.documents.test_document import Queue

    class Own(Queue):
        @Queue.tail.written
        def _x(self, old: int, new: int) -> None: ...

    text = document(Own, "svd")
    assert "<!-- Not here: the line irq. -->" in text
    assert "<!-- Not here: the handler _x of TAIL. -->" in text


def test_a_plain_device_behaves_the_same(tmp_path: Path) -> None:
    """By the measure that the other descriptions are held to."""

    class Card(Device):
        ctrl = register(0)

    (tmp_path / "card.svd").write_text(document(Card, "svd"))
    assert behaviour(from_svd(tmp_path / "card.svd", "Card")) == behaviour(Card)
