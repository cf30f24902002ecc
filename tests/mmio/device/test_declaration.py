"""Reading class bodies: members, handlers, and everything that can be wrong with them."""

from typing import Any

import pytest

from mmio import DefinitionError, Device, array, register


def test_inherited_members_stay() -> None:
    """A subclass has the registers and handlers of its base, and may add to both."""

    class Base(Device):
        ctrl = register(0)

        def __init__(self) -> None:
            self.calls: list[str] = []

        @ctrl.written
        def _ctrl(self, old: int, new: int) -> None:
            self.calls.append("base")

    class More(Base):
        stat = register(4)

        @stat.written
        def _stat(self, old: int, new: int) -> None:
            self.calls.append("stat")

    more = More()
    more.write(0, 8, 0)
    assert more.calls == ["base", "stat"]
    assert len(Base.layout.places) == 1


def test_a_handler_is_overridden_like_any_method() -> None:
    """By its name; `super()` works."""

    class Base(Device):
        ctrl = register(0)
        calls = ""

        @ctrl.written
        def _ctrl(self, old: int, new: int) -> None:
            self.calls += "base "

    class Sub(Base):
        def _ctrl(self, old: int, new: int) -> None:
            super()._ctrl(old, new)
            self.calls += "sub"

    sub = Sub()
    sub.write(0, 4, 0)
    assert sub.calls == "base sub"


def test_a_handler_on_an_inherited_register_is_the_subclass_s_only() -> None:
    """The base class and its other subclasses are unchanged."""

    class Base(Device):
        ctrl = register(0)

    class Sub(Base):
        calls = 0

        @Base.ctrl.written
        def _ctrl(self, old: int, new: int) -> None:
            self.calls += 1

    class Other(Base):
        pass

    sub = Sub()
    for device in (sub, Base(), Other()):
        device.write(0, 4, 1)
        assert device.ctrl == 1
    assert sub.calls == 1


def test_a_member_may_be_replaced_or_removed() -> None:
    """A subclass with another register of that name has that one; with None it has none, nor its handler."""

    class Base(Device):
        ctrl = register(0)
        stat = register(4)

        @stat.written
        def _stat(self, old: int, new: int) -> None:
            raise AssertionError

    class Sub(Base):
        ctrl = register(0x10, width=2)
        stat = None  # type: ignore[assignment]

    assert [(place.offset, place.name) for place in Sub.layout.places] == [(0x10, "CTRL")]
    Sub().write(0x10, 2, 1)


def test_one_function_may_handle_several_registers() -> None:
    """Decorators stack."""

    class Card(Device):
        one = register(0)
        two = register(4)
        calls = 0

        @one.written
        @two.written
        def _any(self, old: int, new: int) -> None:
            self.calls += 1

    card = Card()
    card.write(0, 8, 0)
    assert card.calls == 2


def test_a_handler_may_be_private() -> None:
    """A name with two underscores is found under what Python makes of it."""

    class Card(Device):
        one = register(0)
        calls = 0

        @one.written
        def __one(self, old: int, new: int) -> None:
            self.calls += 1

    card = Card()
    card.write(0, 4, 0)
    assert card.calls == 1


def test_handler_signatures_are_checked() -> None:
    """A handler that could not be called is an error of the class, with both signatures."""
    with pytest.raises(
        DefinitionError,
        match=r"^Card.ctrl: written handler _ctrl\(self, new: int\) -> None must take \(self, old, new\)$",
    ):

        class Card(Device):
            ctrl = register(0)

            @ctrl.written  # type: ignore[type-var]
            def _ctrl(self, new: int) -> None: ...

    with pytest.raises(
        DefinitionError, match=r"^Card.stat: reads handler _stat\(self, old: int\) -> int must take \(self\)$"
    ):

        class Card(Device):  # type: ignore[no-redef]
            stat = register(0)

            @stat.reads  # type: ignore[type-var]
            def _stat(self, old: int) -> int:
                return 0

    with pytest.raises(
        DefinitionError,
        match=r"^Card.fifo: written handler _fifo\(self, .* must take \(self, index, old, new\)$",
    ):

        class Card(Device):  # type: ignore[no-redef]
            fifo = array(0, count=2)

            @fifo.written  # type: ignore[type-var]
            def _fifo(self, old: int, new: int) -> None: ...


def test_defaults_in_a_signature_are_fine() -> None:
    """What matters is that the call works."""

    class Card(Device):
        ctrl = register(0)
        log: Any = ()

        @ctrl.written
        def _ctrl(self, *values: int, extra: int = 5) -> None:
            self.log = (*values, extra)

    card = Card()
    card.write(0, 4, 1)
    assert card.log == (0, 1, 5)


def test_two_handlers_of_a_kind_are_one_too_many() -> None:
    """Which would come first?"""
    with pytest.raises(DefinitionError, match=r"^Card.ctrl: written handler _two is the second one$"):

        class Card(Device):
            ctrl = register(0)

            @ctrl.written
            def _one(self, old: int, new: int) -> None: ...

            @ctrl.written
            def _two(self, old: int, new: int) -> None: ...


def test_handlers_of_one_name_do_not_get_lost() -> None:
    """The second `_` would replace the first; Python says nothing, so the class does."""
    with pytest.raises(
        DefinitionError, match=r"^Card.one: written handler _ was replaced by a later definition of the same name$"
    ):

        class Card(Device):
            one = register(0)
            two = register(4)

            @one.written
            def _(self, old: int, new: int) -> None: ...

            @two.written
            def _(self, old: int, new: int) -> None: ...


@pytest.mark.parametrize(
    ("access", "kind", "verb"), [("r", "written", "written"), ("na", "written", "written"), ("w", "reads", "read")]
)
def test_a_handler_that_is_never_called_is_an_error(access: Any, kind: str, verb: str) -> None:
    """A handler of writes to a register that takes none is a mistake."""
    with pytest.raises(
        DefinitionError, match=f"^Card.reg: {kind} handler .* would never be called: .* register can be {verb}$"
    ):

        class Card(Device):
            reg = register(0, access=access)

            @getattr(reg, kind)  # type: ignore[untyped-decorator]
            def _any(self, *values: int) -> int:
                return 0


def test_a_class_may_be_tried_again() -> None:
    """A subclass whose body failed half way (in a notebook, say) has done no harm to its base."""

    class Base(Device):
        ctrl = register(0)

    for attempt in range(2):
        try:

            class Sub(Base):
                calls = 0

                @Base.ctrl.written
                def _ctrl(self, old: int, new: int) -> None:
                    self.calls += 1

                if not attempt:
                    raise ZeroDivisionError
        except ZeroDivisionError:
            pass
    sub = Sub()
    sub.write(0, 4, 0)
    assert sub.calls == 1


def test_a_misspelt_decorator_is_an_error() -> None:
    """It is an attribute of the register object, and there is no such attribute."""
    with pytest.raises(AttributeError, match="writen"):  # codespell:ignore

        class Card(Device):
            reg = register(0)

            @reg.writen  # type: ignore[attr-defined,untyped-decorator]
            def _reg(self, old: int, new: int) -> None: ...


def test_a_register_has_one_attribute() -> None:
    """The same object under two names would be one register at one offset, twice."""
    with pytest.raises(DefinitionError, match=r"^Card.two: already declared as one; make another$"):

        class Card(Device):
            one = register(0)
            two = one


@pytest.mark.parametrize("name", ["read", "write", "reset", "layout", "dump"])
def test_the_device_s_own_names_are_not_free(name: str) -> None:
    """A register called `reset` would hide the method; the error says how to keep the name in print."""
    message = f"^Card.{name}: every Device has an attribute of this name; use another, and name=$"
    with pytest.raises(DefinitionError, match=message):
        type("Card", (Device,), {name: register(0)})
