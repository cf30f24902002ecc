"""Read a class body: its members and handlers, and the checks that they are consistent.

Run once, when the class is made, so that everything that can be wrong with a declaration is an error then, with the
class and the register in its message.
"""

import inspect
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

from mmio.arguments import shortened
from mmio.device.block import Indexed, LaidOut, Nested
from mmio.device.declared import Declared, Kind
from mmio.device.layout import Layout, RegisterPlace
from mmio.device.member import Member
from mmio.device.register import Register
from mmio.device.sharing import Condition, Selection
from mmio.errors import DefinitionError

Members: TypeAlias = Mapping[str, Member[Any]]
Handlers: TypeAlias = Mapping[tuple[str, Kind], str]
"""(register's attribute, kind) -> name of the method. That of a register in a block is "block.register"."""

_PUTS: Final = ("written", "pushed")  # handlers of writes from the bus
_TAKES: Final = ("reads", "popped", "underrun")


def read_members(cls: type, api: Iterable[str]) -> Members:
    """Return the members of a class by attribute, inherited ones first. `api`: names that are not free."""
    members: dict[str, Member[Any]] = {}
    for base in reversed(cls.__mro__):
        for attribute, member in vars(base).items():
            if not isinstance(member, Member):
                members.pop(attribute, None)  # a subclass may put something else in its place
                continue
            where = f"{cls.__name__}.{attribute}"
            if member.attribute != attribute:
                raise DefinitionError(f"{where}: already declared as {member.attribute}; make another")
            if attribute in api:
                raise DefinitionError(f"{where}: every Device has an attribute of this name; use another, and name=")
            if not isinstance(member.name, str):
                raise DefinitionError(f"{where}: name is {shortened(member.name)}, expected a str")
            members[attribute] = member
    return members


def read_layout(cls: type, members: Members, base: type[LaidOut]) -> Layout:
    """Check each register and lay them out; `base` is the class that blocks must be made of."""
    places: list[RegisterPlace] = []
    for attribute, member in members.items():
        where = f"{cls.__name__}.{attribute}"
        if isinstance(member, Declared):
            member.check(where)
            when = None if member.when is None else _condition(where, member.when, members)
            effects = member.effects
            places += [
                RegisterPlace(
                    offset, member.width, name, member.fields, when, bool(effects.readable), bool(effects.writable)
                )
                for name, offset in member.elements
            ]
        elif isinstance(member, Nested):
            places += member.places(where, base)
            if isinstance(member, Indexed) and member.by not in members.values():
                what = member.by.attribute or "a register that was never declared"
                raise DefinitionError(f"{where}: by= is {what}, which is not a register of this class")
    return Layout(cls.__name__, places)


def _condition(where: str, when: Selection, members: Members) -> Condition:
    """Return a selection by the name of its register, which must be one of the class."""
    if not isinstance(when, Selection):
        raise DefinitionError(f"{where}: when= is made as REGISTER.has(FIELD=1), not {shortened(when)}")
    if when.register not in members.values():
        what = when.register.attribute or "a register that was never declared"
        raise DefinitionError(f"{where}: when= is about {what}, which is not a register of this class")
    return Condition(when.register.name, when.mask, when.value)


def read_handlers(cls: type, members: Members, inherited: Handlers) -> Handlers:
    """Return the handlers of a class: those it inherits, and those its body noted on registers."""
    handlers = dict(inherited)
    for attribute, member in members.items():
        if isinstance(member, Nested):
            handlers |= _handlers_of_blocks(cls, attribute, member)
        if not isinstance(member, Declared):
            continue
        # Of one name the last counts: a body that failed and is tried again (in a notebook) leaves its notes behind.
        noted = {(kind, function.__name__): function for kind, function in member.noted}
        member.noted.clear()
        mine: set[Kind] = set()
        for (kind, _), function in noted.items():
            where = f"{cls.__name__}.{attribute}: {kind} handler {function.__name__}"
            if kind in mine:
                raise DefinitionError(f"{where} is the second one")
            mine.add(kind)
            _check_signature(where, function, member.arguments[kind])
            _check_use(where, kind, member)
            handlers[attribute, kind] = _method(where, cls, function)
    return {key: method for key, method in handlers.items() if key[0].partition(".")[0] in members}


def _handlers_of_blocks(cls: type, attribute: str, member: Nested[Any, Any]) -> dict[tuple[str, Kind], str]:
    """Return the handlers that a class has for registers of its blocks."""
    noted = {(kind, function.__name__): (register, function) for kind, register, function in member.noted}
    member.noted.clear()
    inner = member.device
    found: dict[tuple[str, Kind], str] = {}
    for (kind, _), (register, function) in noted.items():
        where = f"{cls.__name__}.{attribute}: {kind} handler {function.__name__}"
        if not isinstance(register, Register) or inner._device_members.get(register.attribute) is not register:
            what = getattr(register, "attribute", "") or repr(register)
            raise DefinitionError(f"{where} is for {what}, which is not a register of {inner.__name__}")
        key = f"{attribute}.{register.attribute}", kind
        if key in found:
            raise DefinitionError(f"{where} is the second one of {register.attribute}")
        if kind == "reads" and (register.attribute, kind) in inner._device_handlers:
            raise DefinitionError(f"{where}: {inner.__name__}.{register.attribute} has a reads handler of its own")
        _check_signature(where, function, member.arguments(kind))
        _check_use(where, kind, register)
        found[key] = _method(where, cls, function)
    return found


def _method(where: str, cls: type, function: Any) -> str:
    """Return the attribute of a handler, so that a subclass can override it. Found by identity: it may be mangled."""
    method = next((name for name, value in vars(cls).items() if value is function), None)
    if method is None:
        raise DefinitionError(f"{where} was replaced by a later definition of the same name")
    return method


def _check_use(where: str, kind: Kind, member: Declared[Any]) -> None:
    if kind in _PUTS and not member.effects.writable:
        raise DefinitionError(f"{where} would never be called: no bit of the register can be written")
    if kind in _TAKES and not member.effects.readable:
        raise DefinitionError(f"{where} would never be called: no bit of the register can be read")


def _check_signature(where: str, function: Any, arguments: tuple[str, ...]) -> None:
    signature = inspect.signature(function)
    expected = ", ".join(("self", *arguments))
    try:
        signature.bind(None, *arguments)
    except TypeError:
        raise DefinitionError(f"{where}{signature} must take ({expected})") from None
