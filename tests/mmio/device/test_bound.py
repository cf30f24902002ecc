"""A register in a device: values, fields by name, printing."""

import pytest

from mmio import Device, array, bit, field, register


class Timer(Device):
    """The register of the manual."""

    ctrl = register(0x00, fields=[bit("EN", 0), field("PSC", 15, 8), field("MODE", 17, 16, enum={1: "ONCE"})])
    count = register(0x04, width=2)
    fifo = array(0x40, count=4)


@pytest.fixture
def timer() -> Timer:
    return Timer()


def test_value_is_all_of_it(timer: Timer) -> None:
    """Read and written without effects, handlers or records."""
    timer.ctrl.value = 0x10301
    assert (timer.ctrl.value, timer.read(0, 4)) == (0x10301, 0x10301)


def test_fields_are_attributes(timer: Timer) -> None:
    """Each field reads and writes its own bits and leaves the others."""
    timer.ctrl.value = 0xFFFFFFFF
    timer.ctrl.PSC = 0x12
    assert (timer.ctrl.value, timer.ctrl.PSC, timer.ctrl.EN) == (0xFFFF12FF, 0x12, 1)
    timer.ctrl.EN = False
    assert timer.ctrl.value == 0xFFFF12FE


@pytest.mark.parametrize("value", [-1, 0x10000])
def test_values_must_fit(timer: Timer, value: int) -> None:
    """A value out of range is refused with the range, and nothing changes."""
    with pytest.raises(ValueError, match=f"^COUNT holds 0..0xffff, not {value:#x}$"):
        timer.count.value = value
    with pytest.raises(ValueError, match=f"^CTRL.PSC holds 0..0xff, not {value:#x}$"):
        timer.ctrl.PSC = value
    assert (timer.count.value, timer.ctrl.value) == (0, 0)


@pytest.mark.parametrize("value", [None, "1", 1.5])
def test_values_are_integers(timer: Timer, value: object) -> None:
    """What is no integer is no value; the message names register and field."""
    with pytest.raises(TypeError, match=r"^COUNT takes an int, not "):
        timer.count.value = value  # type: ignore[assignment]
    with pytest.raises(TypeError, match=r"^CTRL.EN takes an int, not "):
        timer.ctrl.EN = value  # type: ignore[assignment]


def test_a_name_is_no_value(timer: Timer) -> None:
    """The message says which numbers have names."""
    with pytest.raises(TypeError, match=r"^CTRL.MODE takes an int, not 'ONCE' \(ONCE=1\)$"):
        timer.ctrl.MODE = "ONCE"  # type: ignore[assignment]


def test_read_and_write_are_what_the_bus_does() -> None:
    """With effects and handlers, for tests that have no driver."""

    class Card(Device):
        stat = register(0, on_write="woclr", on_read="rset", reset=0xF)
        calls = 0

        @stat.written
        def _stat(self, old: int, new: int) -> None:
            self.calls += 1

    card = Card()
    card.stat.write(3)
    assert (card.stat.value, card.calls) == (0xC, 1)
    assert (card.stat.read(), card.stat.value) == (0xC, 0xFFFFFFFF)
    with pytest.raises(ValueError, match=r"^STAT holds 0\.\.0xffffffff, not 0x100000000$"):
        card.stat.write(1 << 32)


def test_elements_are_not_assigned(timer: Timer) -> None:
    """The message says what is meant, and how many there are."""
    with pytest.raises(TypeError, match=r"set \[1\].value, or a field \[1\].NAME$"):
        timer.fifo[1] = 5  # type: ignore[assignment]
    with pytest.raises(IndexError, match=r"^there are elements 0\.\.3, not 4$"):
        timer.fifo[4]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("en", "CTRL has no field 'en'; did you mean 'EN'?"),
        ("PCS", "CTRL has no field 'PCS'; did you mean 'PSC'?"),
        ("QQQ", "CTRL has no field 'QQQ'; it has EN, PSC, MODE"),
    ],
)
def test_a_typo_is_an_error(timer: Timer, name: str, message: str) -> None:
    """Reading and setting a field that is not there says which one was meant."""
    with pytest.raises(AttributeError) as read:
        getattr(timer.ctrl, name)
    with pytest.raises(AttributeError) as written:
        setattr(timer.ctrl, name, 1)
    assert str(read.value) == str(written.value) == message


def test_a_register_without_fields_says_so(timer: Timer) -> None:
    """There is nothing to suggest."""
    with pytest.raises(AttributeError, match=r"^COUNT has no field 'EN'; it has no fields at all$"):
        timer.count.EN = 1


def test_it_is_as_good_as_its_value(timer: Timer) -> None:
    """It compares, indexes, formats and is true like the int it holds."""
    timer.count.value = 5
    assert timer.count == 5
    assert timer.count != 6
    assert int(timer.count) == 5
    assert [10, 11, 12, 13, 14, 15][timer.count] == 15
    assert f"{timer.count:#06x}" == "0x0005"
    assert timer.count
    assert not timer.ctrl
    timer.ctrl.value = 5
    assert timer.ctrl == timer.count


def test_it_prints_with_its_fields(timer: Timer) -> None:
    """Name, value in full width, fields; named values by name."""
    timer.ctrl.value = 0x10301
    assert str(timer.ctrl) == "CTRL 0x00010301 EN PSC=0x03 MODE=ONCE"
    assert f"{timer.ctrl}" == repr(timer.ctrl) == str(timer.ctrl)
    assert str(timer.count) == "COUNT 0x0000"
    assert (timer.count.name, timer.count.width) == ("COUNT", 2)


def test_fields_complete_in_a_shell(timer: Timer) -> None:
    """`dir` knows the fields beside `value`."""
    assert {"EN", "PSC", "MODE", "value"} <= set(dir(timer.ctrl))


def test_an_array_is_a_sequence_of_registers(timer: Timer) -> None:
    """By index, from the end too; len and iteration."""
    timer.fifo[3].value = 9
    assert (timer.fifo[3].name, timer.fifo[-1].value, len(timer.fifo)) == ("FIFO[3]", 9, 4)
    assert [register.value for register in timer.fifo] == [0, 0, 0, 9]
    assert repr(timer.fifo).splitlines()[3] == "FIFO[3] 0x00000009"
    with pytest.raises(IndexError):
        timer.fifo[4]
