"""When a line interrupts: by level and by edge, masked and not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmio import InterruptSource, Line, line

OPERATIONS = st.lists(st.sampled_from(["up", "down", "mask", "unmask"]), max_size=40)


@given(OPERATIONS, st.sampled_from(["level", "edge"]), st.booleans())
def test_interrupts_are_those_of_the_obvious_model(operations: list[str], trigger: str, automask: bool) -> None:
    """Any sequence of levels and masks gives as many interrupts as a model that is written down plainly."""
    wire, fired = Line("irq"), [0]
    source = InterruptSource(wire, lambda: fired.__setitem__(0, fired[0] + 1), trigger=trigger, automask=automask)
    level = masked = pending = False
    expected = 0
    for operation in operations:
        rises = operation == "up" and not level
        unmasked = operation == "unmask" and masked
        level = operation == "up" or (level and operation != "down")
        masked = operation == "mask" or (masked and operation != "unmask")
        pending = pending or (rises and trigger == "edge")
        due = pending if trigger == "edge" else (level if unmasked else rises)
        if due and not masked and (rises or unmasked):
            expected, pending = expected + 1, False
            masked = automask and trigger == "level"
        {"up": lambda: wire.set(True), "down": lambda: wire.set(False), "mask": source.mask, "unmask": source.unmask}[
            operation
        ]()
        assert (fired[0], source.masked) == (expected, masked)


def test_a_line_that_is_asserted_already_interrupts_at_once() -> None:
    """As a handler that is requested for an asserted line runs at once; a closed source hears nothing any more."""
    wire, fired = Line("irq"), list[int]()
    wire.set(True)
    with InterruptSource(wire, lambda: fired.append(1)) as source:
        assert fired == [1]
    source.close()
    source.unmask()
    wire.set(False)
    wire.set(True)
    assert fired == [1]


def test_wrong_arguments_are_refused() -> None:
    """Each says what was expected and what came."""
    with pytest.raises(ValueError, match="trigger is 'level' or 'edge', not 'rising'"):
        InterruptSource(Line("irq"), print, trigger="rising")
    with pytest.raises(ValueError, match="trigger is 'level' or 'edge', not 'falling'"):
        line(trigger="falling")
    with pytest.raises(TypeError, match=r"line is a line of a device, as card\.irq, not 3"):
        InterruptSource(3, print)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="fire is a function without arguments, not 3"):
        InterruptSource(Line("irq"), 3)  # type: ignore[arg-type]
