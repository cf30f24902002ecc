"""State of a device as plain values: its registers, its lines, and the devices inside it.

A device's *members* are what it has made of the declarations of its class, by attribute.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from mmio.device.block import BoundBlocks
from mmio.device.bound import BoundArray, BoundRegister, Cell
from mmio.device.fifo import BoundFifo
from mmio.device.line import Line

Bound: TypeAlias = Mapping[str, Any]


def devices_of(member: Any) -> Sequence[Any]:
    """Return the devices that a member stands for.

    Args:
        member: one of a device.
    """
    if isinstance(member, BoundBlocks):
        return member
    return () if isinstance(member, BoundRegister | BoundArray | Line) else (member,)


def save(members: Bound) -> dict[str, Any]:
    """Return the state of a device, fit for JSON.

    Args:
        members: of the device.
    """
    state: dict[str, Any] = {"registers": {}, "locked": {}, "lines": {}, "blocks": {}}
    for attribute, member in members.items():
        if isinstance(member, Line):
            state["lines"][attribute] = member.level
        elif inner := devices_of(member):
            states = [device.snapshot() for device in inner]
            state["blocks"][attribute] = states if isinstance(member, BoundBlocks) else states[0]
        else:
            if isinstance(member, BoundFifo):
                state.setdefault("fifo_registers", {})[attribute] = member._cell.state()
            values = [cell.value for cell in _cells(member)]
            state["registers"][attribute] = values if isinstance(member, BoundArray) else values[0]
            state["locked"] |= {cell.name: cell.locked for cell in _cells(member) if cell.locked}
    return state


def put(name: str, members: Bound, state: Mapping[str, Any]) -> None:
    """Give a device a state, quietly. A state that does not fit may have been put in part.

    Args:
        name: of the device's class, for messages.
        members: of the device.
        state: as `save` returns it.

    Raises:
        ValueError: the state is of another device.
        KeyError, TypeError: it is no state.
    """
    for attribute, member in members.items():
        kind = "lines" if isinstance(member, Line) else "blocks" if devices_of(member) else "registers"
        if attribute not in state[kind]:
            raise ValueError(f"{name} has {attribute!r}, which is not among the {kind} of the state")
        value = state[kind][attribute]
        if isinstance(member, Line):
            member.restore(value)
        elif inner := devices_of(member):
            values = value if isinstance(member, BoundBlocks) else [value]
            if len(inner) != len(values):
                raise ValueError(f"{name}.{attribute} has {len(inner)} blocks, the state has {len(values)}")
            for device, its in zip(inner, values, strict=True):
                device.restore(its)
        else:
            if isinstance(member, BoundFifo):
                member._cell.take(state["fifo_registers"][attribute])
            values = value if isinstance(value, list) else [value]
            cells = _cells(member)
            if len(values) != len(cells):
                raise ValueError(f"{name}.{attribute} takes {len(cells)} values, the state has {len(values)}")
            for cell, number in zip(cells, values, strict=True):
                cell.put(number)
                cell.lock(state["locked"].get(cell.name, 0))
    if unknown := state["registers"].keys() - members.keys():
        raise ValueError(f"the state has registers that {name} has not: {', '.join(sorted(unknown))}")


def _cells(member: BoundRegister | BoundArray) -> list[Cell]:
    return [register._cell for register in (member if isinstance(member, BoundArray) else [member])]
