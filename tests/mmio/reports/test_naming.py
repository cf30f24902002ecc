"""Names and fields by device classes."""

import pytest

from mmio import Device, TraceView, register
from mmio.records.spot import Spot
from mmio.reports.naming import Naming, ReportDevice, layouts
from tests.mmio.reports.pages import Uart, contents, driven
from tests.mmio.sample_traces import access

BARE = Spot.of(access(0, region="uart", offset=0, register=None))


def test_a_class_names_registers_and_fields() -> None:
    """Accesses without names get those of the class that is given for their region, values of fields included."""
    naming = Naming((), {"uart": Uart.layout})
    assert naming.register(BARE) == "CTRL"
    assert [field.format(0x21) for field in naming.fields(BARE)] == ["EN=1", "MODE=FAST", "DIV=0x0000"]


def test_names_of_records_stay() -> None:
    """A name that a record has is not replaced."""
    spot = Spot.of(access(0, region="uart", offset=0, register="OLD", layout=(("A", 1, 0),)))
    naming = Naming((), {"uart": Uart.layout})
    assert naming.register(spot) == "OLD"
    assert [field.name for field in naming.fields(spot)] == ["A"]


def test_part_of_a_register_has_the_fields_in_it() -> None:
    """Of a narrow access only the fields within it are shown, their values named."""
    spot = Spot.of(access(0, region="uart", offset=0, width=1, register="CTRL", layout=Uart.layout.fields_at(0, 1)))
    assert [field.format(0x20) for field in Naming((), {"uart": Uart.layout}).fields(spot)] == ["EN=0", "MODE=FAST"]


def test_across_registers_fields_have_their_register() -> None:
    """An access of two registers names the values of the fields of both."""
    spot = Spot.of(access(0, region="uart", offset=0, width=8, register=None))
    naming = Naming((), {"uart": Uart.layout})
    assert naming.register(spot) == "CTRL..STATUS"
    assert [field.format(0x20) for field in naming.fields(spot)][:2] == ["CTRL.EN=0", "CTRL.MODE=FAST"]


def test_registers_that_share_bytes_are_not_guessed() -> None:
    """Which of two registers at one place was accessed is known by the device alone, so it gets no name."""

    class Shared(Device):
        rbr = register(0, access="r")
        thr = register(0, access="w")

    assert Naming((), {"uart": Shared.layout}).register(BARE) is None


def test_a_recorded_trace_knows_its_device() -> None:
    """The device of a live trace names the values of its fields without being given."""
    layout = contents(driven().report().html())[0]["layouts"][0]
    assert layout[1] == ["MODE", 5, 4, {"0x0": "OFF", "0x2": "FAST"}]


def test_a_region_is_found_as_for_coverage() -> None:
    """A device's region is that of its name, the one that is given, or the only one."""
    assert list(layouts([ReportDevice(Uart)], {"Uart", "b"})) == ["Uart"]
    assert list(layouts([ReportDevice(Uart, "b")], {"Uart", "b"})) == ["b"]
    assert list(layouts([ReportDevice(Uart)], {"b"})) == ["b"]
    with pytest.raises(ValueError, match="which region is the Uart"):
        layouts([ReportDevice(Uart)], {"a", "b"})
    with pytest.raises(ValueError, match="no access to a region 'c'"):
        TraceView.of([access(0)]).report({"c": Uart})
