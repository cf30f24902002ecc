"""A call with a wrong argument is refused, and leaves everything as it was; of `mmio`, by generated calls."""

import ctypes
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mmio
from decode import READ, WRITE
from emulate import Ram
from mmio import AddressSpace, Trace, Tracer
from mmio.errors import ClosedMapping
from mmio.hosted import Host
from tests.test_wrong_arguments import Card


# Arguments of what maps a device, each with what is legal there; everything else is to be refused.
def _is_int(value: object, least: int | None = None) -> bool:
    return type(value) is int and (least is None or value >= least)


def _is_one_of(*words: str) -> Callable[[object], bool]:
    return lambda value: isinstance(value, str) and value in words


LEGAL: Final[dict[str, Callable[[Any], bool]]] = {
    "device": lambda value: False,
    "start": lambda value: _is_int(value, 0),
    "port": lambda value: _is_int(value, 0),
    "length": lambda value: _is_int(value, 1),
    "count": lambda value: _is_int(value, 1),
    "name": lambda value: value is None or isinstance(value, str),
    "trace": lambda value: value is None,
    "widths": lambda value: _is_int(value) and value in (1, 2, 4, 8, 16, 32, 64),
    "unaligned": _is_one_of("error", "split", "pass"),
    "too_wide": _is_one_of("error", "split", "pass"),
    "unmapped": _is_one_of("error", "ones", "zeros"),
    "priority": _is_int,
}
POLICIES: Final = ("widths", "unaligned", "too_wide", "unmapped")
LENGTH: Final = 0x20  # not whole pages, so that a mapping is two regions

# What maps a device, with the arguments it has and those it needs.
MAPPERS: Final[dict[str, tuple[tuple[str, ...], dict[str, Any]]]] = {
    "ioremap": (("device", "length", "name", "trace", *POLICIES), {"length": LENGTH}),
    "map_ports": (("port", "count", "device", "name", "trace", *POLICIES), {"port": 0x300, "count": 4}),
    "Mapping.ports": (("port", "count", *POLICIES), {"port": 0x300, "count": 4}),
    "AddressSpace.map": (
        ("start", "length", "device", "name", "priority", *POLICIES),
        {"start": 0x2000, "length": LENGTH},
    ),
    "AddressSpace.map_ports": (
        ("port", "count", "device", "name", "priority", *POLICIES),
        {"port": 0x300, "count": 4},
    ),
}

WORDS: Final = st.text("aeghilmnorstuw_", max_size=8)
VALUES: Final = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(1 << 70), 0)
    | st.floats()
    | WORDS
    | st.binary(max_size=4)
    | st.sampled_from([Card, object(), len, Ellipsis]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=2) | st.tuples(inner),
    max_leaves=4,
)


@st.composite
def wrong_calls(draw: st.DrawFn, mappers: tuple[str, ...]) -> tuple[str, dict[str, Any]]:
    """A call of something that maps a device, in which one argument is wrong, or has a name that is."""
    function = draw(st.sampled_from(mappers))
    names, needed = MAPPERS[function]
    name = draw(st.sampled_from(names))
    if name not in ("start", "length", "port", "count", "device") and draw(st.booleans()):
        at = draw(st.integers(0, len(name) - 1))
        return function, needed | {name[:at] + name[at + 1 :] + "x": None}
    wrong = VALUES.filter(lambda value: not LEGAL[name](value))
    if (function, name) == ("ioremap", "length"):
        wrong = wrong.filter(lambda value: value is not None)  # a device has a length of its own
    return function, needed | {name: draw(wrong)}


def _call(function: str, space: AddressSpace, mapping: mmio.Mapping, arguments: dict[str, Any]) -> object:
    owner, _, method = function.rpartition(".")
    call = getattr({"AddressSpace": space, "Mapping": mapping}.get(owner, mmio), method)
    device = {} if owner == "Mapping" else {"device": Card()}
    return call(**(device | arguments))


@settings(max_examples=200)
@given(wrong=wrong_calls(tuple(MAPPERS)))
def test_a_refused_mapping_leaves_everything_as_it_was(wrong: tuple[str, dict[str, Any]]) -> None:
    """After a refused call existing mappings work and can be closed, and new ones can be made."""
    space = AddressSpace()
    space.map(0x1000, 4, Card())
    with mmio.ioremap(Card(), length=LENGTH) as mapping:
        regions = str(mapping.space), str(space)
        with pytest.raises((TypeError, ValueError)) as caught:
            _call(wrong[0], space, mapping, wrong[1])
        assert not re.search(r"unsupported|not supported|has no attribute|not iterable|format", str(caught.value))
        assert (str(mapping.space), str(space)) == regions
        _loads_and_stores(mapping)
        with mmio.ioremap(Card(), length=LENGTH) as other:
            _loads_and_stores(other)
        with mmio.map_ports(0x300, 4, Card()):
            pass
        _loads_and_stores(mapping)
    assert mapping.closed
    assert space.read(0x1000, 4) == 0


def _loads_and_stores(mapping: mmio.Mapping) -> None:
    """Access a mapping as a driver does: by native code, to which its pages are absent."""
    before = len(mapping.trace)
    register_of = ctypes.c_uint32.from_address(mapping.address)
    register_of.value = 1
    assert register_of.value == 1
    accesses_of_it = mapping.trace[before:]
    assert [access.value for access in accesses_of_it if access.direction == WRITE] == [1]
    assert (accesses_of_it[-1].direction, accesses_of_it[-1].value) == (READ, 1)


@pytest.mark.parametrize(
    ("function", "wrong", "meant"),
    [
        ("ioremap", "lenght", "length"),
        ("ioremap", "nmae", "name"),
        ("map_ports", "unalinged", "unaligned"),
        ("Mapping.ports", "width", "widths"),
    ],
)
def test_a_misspelt_argument_is_one_of_the_function_that_was_called(function: str, wrong: str, meant: str) -> None:
    """The message names the function that was called, not one further inside, and what was meant."""
    with mmio.ioremap(Card()) as mapping:
        needed = MAPPERS[function][1]
        with pytest.raises(
            TypeError, match=rf"^{function.rpartition('.')[2]}\(\) has no argument '{wrong}'; did you mean '{meant}'\?$"
        ):
            _call(function, AddressSpace(), mapping, needed | {wrong: 4})


@pytest.mark.parametrize("call", ["map_file", "map", "map_ports", "watch"])
def test_a_misspelt_argument_of_a_tracer(call: str) -> None:
    """So it is for programs."""
    arguments = {"map_file": ("x",), "map": (0, 4), "map_ports": (0, 4, Card()), "watch": (0,)}[call]
    with pytest.raises(TypeError, match=rf"^{call}\(\) has no argument 'nmae'; did you mean 'name'\?$"):
        getattr(Tracer(), call)(*arguments, nmae="x")


NONE_SUCH: Final = st.sampled_from(["map_file", "map", "map_ports", "redirect"]).flatmap(
    lambda call: st.tuples(
        st.just(call),
        {
            "map_file": st.tuples(VALUES.filter(lambda value: not isinstance(value, str) and not _is_int(value, 0))),
            "map": st.tuples(VALUES.filter(lambda value: not _is_int(value, 0)), st.just(4)),
            "map_ports": st.tuples(st.just(0), st.just(4), VALUES.filter(lambda value: value is not None)),
            "redirect": st.tuples(st.just("x"), VALUES.filter(lambda value: not isinstance(value, str))),
        }[call],
    )
)


@given(wrong=NONE_SUCH)
def test_a_refused_target_is_not_added(wrong: tuple[str, tuple[Any, ...]]) -> None:
    """A tracer has the targets it had."""
    tracer = Tracer()
    tracer.map_file("/nowhere", Card())
    with pytest.raises((TypeError, ValueError)):
        getattr(tracer, wrong[0])(*wrong[1])
    assert tracer.unmatched == ["file '/nowhere'"]


@pytest.mark.parametrize(
    "arguments",
    ["true", b"true", Path("true"), 5, None, [5], ["true", 5], {"true": 1}, iter(["true"])],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("engine", [Tracer, Host])
def test_a_program_is_a_list_of_words(engine: type[Tracer] | type[Host], arguments: Any) -> None:
    """`spawn("true")` does not look for a program `t`."""
    with pytest.raises(TypeError, match=r"^arguments are a list"):
        engine().spawn(arguments)


@pytest.mark.parametrize("engine", [Tracer, Host])
def test_no_program_is_an_error(engine: type[Tracer] | type[Host]) -> None:
    """A list without words names none."""
    with pytest.raises(ValueError, match="expected a program and its arguments, got none"):
        engine().spawn([])


WIDTHS_THAT_ARE_NONE: Final = [0, -1, -4, "4", b"4", 4.0, 4.5, None, [4], {}]


@pytest.mark.parametrize("width", WIDTHS_THAT_ARE_NONE, ids=repr)
@pytest.mark.parametrize("device", [None, Card(), Ram(16)], ids=["nothing", "a card", "plain RAM"])
@pytest.mark.parametrize("call", ["read", "write", "update", "port_read", "port_write"])
def test_a_width_that_is_none(call: str, device: Any, width: Any) -> None:
    """No bus has accesses of it, whatever lies there."""
    space = AddressSpace(unmapped="ones")
    if device is not None:
        space.map(0, 4, device)
        space.map_ports(0, 4, device)
    arguments = {"write": (0,), "port_write": (0,), "update": (lambda old: old,)}.get(call, ())
    with pytest.raises(
        (TypeError, ValueError), match=rf"^width is an int(, from 1 up)?, not {re.escape(repr(width))}$"
    ):
        getattr(space, call)(0, width, *arguments)
    if not isinstance(width, list | dict) and width != 4.0:  # an initiator looks it up in a table first
        initiator = space.initiator()
        with pytest.raises((TypeError, ValueError), match=rf"^width is an int.*, not {re.escape(repr(width))}$"):
            getattr(initiator, call)(0, width, *arguments)


class Silent:
    """A device that takes whatever it is given."""

    def read(self, offset: int, width: int) -> int:
        return 0

    def write(self, offset: int, width: int, value: int) -> None:
        pass


@pytest.mark.parametrize("value", ["x", None, 1.5, b"\1"], ids=repr)
@pytest.mark.parametrize("device", [Card(), Ram(16), Silent()], ids=["a card", "plain RAM", "a careless device"])
def test_a_value_that_is_none(device: Any, value: Any) -> None:
    """An initiator tells it also where the device takes it, for it cannot be recorded."""
    space = AddressSpace(Trace())
    space.map(0, 4, device)
    for bus in (space, space.initiator()):
        for _ in range(2):
            with pytest.raises(TypeError, match=rf"^value is an int, not {re.escape(repr(value))}$"):
                bus.write(0, 4, value)


@pytest.mark.parametrize("fault", [TypeError, ValueError, AttributeError])
def test_a_fault_of_a_device_stays_its_own(fault: type[Exception]) -> None:
    """What the device raises at an access that is one comes out as itself."""
    failure = fault("of the device")

    class Broken:
        def read(self, offset: int, width: int) -> int:
            raise failure

        def write(self, offset: int, width: int, value: int) -> None:
            raise failure

    space = AddressSpace()
    space.map(0, 4, Broken())
    for call in (lambda: space.read(0, 4), lambda: space.write(0, 4, 0), lambda: space.initiator().read(0, 4)):
        with pytest.raises(fault) as caught:
            call()
        assert caught.value is failure


def test_a_device_that_cannot_be_asked_is_not_mapped() -> None:
    """A device whose property raises when it is mapped leaves the map as it was."""

    class Asked(Silent):
        @property
        def naming(self) -> None:
            raise RuntimeError("asked")

    space = AddressSpace()
    with pytest.raises(RuntimeError, match="asked"):
        space.map(0, 4, Asked())
    assert str(space) == ""
    space.map(0, 4, Silent())
    assert space.read(0, 4) == 0
    with mmio.ioremap(Card()) as mapping:
        with pytest.raises(RuntimeError, match="asked"):
            mmio.ioremap(Asked(), length=LENGTH)
        _loads_and_stores(mapping)


@pytest.mark.parametrize(
    "use",
    [
        lambda mapping: mapping.__enter__(),
        lambda mapping: mapping.watch(),
        lambda mapping: mapping.ports(0x300, 4),
        lambda mapping: mapping.pointer(ctypes.c_uint32),
    ],
    ids=["with", "watch", "ports", "pointer"],
)
def test_a_closed_mapping_says_so(use: Callable[[mmio.Mapping], object]) -> None:
    """It cannot be entered, watched or extended any more."""
    with mmio.ioremap(Card(), name="nic") as mapping:
        use(mapping)
    with pytest.raises(ClosedMapping, match="the mapping of 'nic' is closed"):
        use(mapping)


def test_closed_ports_say_so() -> None:
    """Ports have the name of their device, too."""
    with mmio.map_ports(0x300, 4, Card(), name="nic") as ports:
        pass
    with pytest.raises(ClosedMapping, match="the mapping of 'nic' is closed"), ports:
        pass


def test_widths_may_come_from_an_iterator() -> None:
    """They are read once, and hold for all regions of a mapping."""
    with mmio.ioremap(Card(), length=LENGTH, widths=iter((4,))) as mapping:
        _loads_and_stores(mapping)
