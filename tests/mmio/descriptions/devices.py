"""Device classes made by hypothesis, and what two of them must have in common to be the same device."""

from typing import Any

from hypothesis import strategies as st

from mmio import Device, array, block, blocks, line, register
from mmio.device.declared import TAKEN
from mmio.device.field import Field

WORDS = ["CTRL", "STAT", "ctrl", "reg", "rw", "sw", "addrmap", "FIFO_values", "FIFO", "F1", "_X", "reset", "r1"]
ODD = ["a b", "dma.CTRL", "FIFO[0]", "`x`", '"', "\\", "<% print 1; %>", "é", "1ST", "//", "*/", "A B", "A_B", "{};"]
names = st.sampled_from(WORDS + ODD) | st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=4)
field_names = names.filter(lambda name: not name.startswith("_") and name not in TAKEN)


@st.composite
def behaviours(draw: st.DrawFn) -> dict[str, Any]:
    """Access and effects that go together."""
    access = draw(st.sampled_from(["rw", "r", "w", "rw1", "w1", "na"]))
    reads = [None, "rclr", "rset"] if "r" in access else [None]
    writes = [None, "woclr", "woset", "wot", "wzc", "wzs", "wzt", "wclr", "wset"] if "w" in access else [None]
    return {"access": access, "on_read": draw(st.sampled_from(reads)), "on_write": draw(st.sampled_from(writes))}


@st.composite
def fields(draw: st.DrawFn, bits: int) -> list[Field]:
    """Fields of a register of so many bits."""
    made: list[Field] = []
    lsb = 0
    for name in draw(st.lists(field_names, unique=True, max_size=4)):
        lsb += draw(st.integers(0, 3))
        msb = lsb + draw(st.sampled_from([0, 0, 1, 3, 7, 20]))
        if msb >= bits:
            break
        own = draw(behaviours() if draw(st.booleans()) else st.just({}))
        pulse = draw(st.booleans()) and "w" in own.get("access", "")
        top = (1 << msb - lsb + 1) - 1
        enum = draw(st.dictionaries(st.integers(0, top), names, max_size=3))
        reset = draw(st.none() | st.integers(0, top))
        made.append(Field(name, msb, lsb, enum, reset, singlepulse=pulse, **own))
        lsb = msb + 1
    return made


@st.composite
def registers(draw: st.DrawFn, offset: int, name: str) -> Any:
    """A register or an array at an offset; its end is after its last byte."""
    width = draw(st.sampled_from([1, 2, 4, 4, 8, 16, 64]))
    made = draw(fields(8 * width))
    free = (1 << 8 * width) - 1 & ~sum(field.mask for field in made)
    words = {
        "offset": offset,
        "width": width,
        "fields": made,
        "reset": draw(st.sampled_from([0, free, free & 0x5A5A])),
        "name": name,
        "doc": draw(st.just("") | names),
        **draw(behaviours() if draw(st.booleans()) else st.just({})),
    }
    if draw(st.booleans()):
        return register(**words)
    return array(count=draw(st.integers(1, 3)), stride=width + draw(st.sampled_from([0, 1, 8, 100])), **words)


@st.composite
def devices(draw: st.DrawFn, depth: int = 1) -> type[Device]:
    """A device class: registers, arrays, blocks, arrays of blocks; close together, some in the gaps of others."""
    body: dict[str, Any] = {"irq": line()} if draw(st.booleans()) else {}
    taken: set[int] = set()
    named: set[str] = set()
    offset = draw(st.integers(0, 5))
    for i, name in enumerate(draw(st.lists(names, unique=True, min_size=1, max_size=4))):
        inner = draw(devices(depth - 1)) if depth and draw(st.booleans()) else None
        member: Any
        if inner is None:
            member = draw(registers(offset, name))
            places = [(at, member.width) for _, at in member.elements]
        else:
            count = draw(st.integers(1, 3))
            stride = inner.layout.extent + draw(st.sampled_from([0, 1, 100]))
            several = draw(st.booleans())
            member = blocks(offset, inner, count, stride, name=name) if several else block(offset, inner, name=name)
            places = [(at + place.offset, place.width) for _, at in member.elements for place in inner.layout.places]
        covered = {byte for at, width in places for byte in range(at, at + width)}
        # A register may be called as an element of an array is, "FIFO[0]": no device has both.
        own = {name, *(f"{name}[{number}]" for number in range(len(places)))}
        if inner is not None:
            own = {f"{each}.{place.name}" for each, _ in member.elements for place in inner.layout.places}
        if not covered & taken and not own & named:
            taken |= covered
            named |= own
            body[f"m{i}"] = member
        first = places[0][0]
        offset = draw(st.sampled_from([first + places[0][1], max(covered) + 1, max(covered) + 33]))
    return type(draw(st.sampled_from(["Card", "card", "reg"])), (Device,), body)


def behaviour(device: type[Device]) -> list[Any]:
    """All that a driver can find out about a device: names, places, fields, reset values and effects."""
    made = device()
    rows = []
    for place in device.layout.places:
        cell = made[place.name]._cell
        effects = cell.effects
        rows.append(
            (
                place.offset,
                place.width,
                place.name,
                [(field.name, field.msb, field.lsb, field.enum) for field in place.fields],
                cell.reset_value,
                (effects.readable, effects.writable, effects.once, effects.pulse),
                {effect: mask for mask, effect in effects.reads},
                {effect: mask for mask, effect in effects.writes},
            )
        )
    return rows
