"""Reports of coverage: their numbers agree, whatever the format, and bad names do no harm."""

import json
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given

from mmio import Access, Device, DeviceCoverage, bit, field, register
from mmio.coverage.ci import cobertura, lcov
from mmio.coverage.device import loaded
from mmio.coverage.html import page
from mmio.coverage.reports import REPORTS, parse, save
from mmio.coverage.text import report
from tests.mmio.coverage import devices
from tests.mmio.coverage.devices import Card, access, traces


def of(records: list[Access]) -> DeviceCoverage:
    coverage = DeviceCoverage(Card)
    if records:
        coverage.add(records, "card")
    return coverage


def _sum(pattern: str, text: str) -> int:
    return sum(map(int, re.findall(pattern, text, re.MULTILINE)))


@given(traces)
def test_the_numbers_of_all_formats_agree(records: list[Access]) -> None:
    """Points are branches, lines are lines with registers, and the counts of one are those of the others."""
    coverage = of(records)
    share = coverage.total
    info, xml = lcov([coverage]), ET.fromstring(cobertura([coverage]).partition('dtd">\n')[2])
    assert (_sum(r"^BRF:(\d+)", info), _sum(r"^BRH:(\d+)", info)) == (share.total, share.covered)
    assert len(re.findall(r"^BRDA:.*,1$", info, re.MULTILINE)) == share.covered
    assert (int(xml.get("branches-valid", "")), int(xml.get("branches-covered", ""))) == (share.total, share.covered)
    conditions = [re.findall(r"\d+", each.get("condition-coverage", "")) for each in xml.iter("line")]
    assert sum(int(covered) for _, covered, _ in conditions) == share.covered
    assert (_sum(r"^LF:(\d+)", info), _sum(r"^LH:(\d+)", info)) == (
        int(xml.get("lines-valid", "")),
        int(xml.get("lines-covered", "")),
    )
    hits = sum(register.reads + register.writes for register in coverage.registers)
    assert _sum(r"^DA:\d+,(\d+)", info) == sum(int(each.get("hits", "")) for each in xml.iter("line")) == hits
    data = coverage.to_dict()
    assert data["points"]["all"] == [share.covered, share.total]
    assert sum(register["covered"] for register in data["registers"]) == share.covered
    assert sum(map(int, re.findall(r"(?<=\s)(\d+)/\d+", report(coverage)))) == share.covered
    for text in (report(coverage), page([coverage])):
        assert f"({share.covered} of {share.total})" in text
    assert len(coverage.missing) == share.total - share.covered


def test_lines_are_those_of_the_declarations() -> None:
    """In the file of the class that declares them; an array is one line, a block's are in its own class."""
    coverage = of([access("W", 4, 4, 1), access("R", 0x40, 4, 1)])
    source = Path(devices.__file__).read_text().splitlines()
    for each in coverage.registers:
        declared = source[each.line - 1].strip()
        attribute = each.name.rpartition(".")[2].partition("[")[0].lower()
        assert declared.startswith(f"{attribute} = ")
    info = lcov([coverage])
    assert "SF:tests/mmio/coverage/devices.py\n" in info
    line = next(register.line for register in coverage.registers if register.name == "CTRL")
    assert f"DA:{line},1\n" in info


def test_a_class_without_a_source_is_a_file_of_its_name() -> None:
    """Its registers are numbered."""
    made = type("Made", (Device,), {"one": register(0), "two": register(4)})
    info = lcov([DeviceCoverage(made)])
    assert re.findall(r"^(SF:.*|DA:.*)$", info, re.MULTILINE) == ["SF:Made", "DA:1,0", "DA:2,0"]


def test_a_table_for_the_terminal() -> None:
    """A row a register, equal elements in one; then what was not touched."""
    text = report(of([access("W", 4, 4, 5), access("R", 0x20, 1, 0), access("R", 0x30, 4, 0)]))
    assert re.search(
        r"^ +0x4 +CTRL +0 +1 +4 +7/17 +read, MODE=OFF, MODE=FAST, EN 1->0, MODE 1->0, RESET 0->1 and 1 more",
        text,
        re.MULTILINE,
    )
    assert re.search(r"^ +0x24 +FIFO\[1\.\.3\] +0 +0 +0/6 +read, written", text, re.MULTILINE)
    assert "never read: ID, CTRL, STAT, ERRORS, FIFO[1..3], dma.CTRL" in text
    assert "written, never read back: CTRL" in text
    assert text.endswith("no register: R4 +0x30")


NASTY = "<script>alert(1)</script>\"&'\x1b]--> TN:x"


def test_no_name_breaks_a_report(tmp_path: Path) -> None:
    """Markup is escaped, control characters are shown as such."""
    bad = type("Bad", (Device,), {"x": register(0, name=NASTY, fields=[field(NASTY, 1, 0, enum={1: NASTY})])})
    coverage = DeviceCoverage(bad, NASTY)
    for form in REPORTS:
        save([coverage], tmp_path / "out", form)
        text = (tmp_path / "out").read_text()
        assert "\x1b" not in text
        assert "<script>" not in text or form in ("term", "json", "lcov")
    ET.fromstring(cobertura([coverage]).partition('dtd">\n')[2])
    html = page([coverage])
    assert not re.search(r"(src|href)=", html)
    assert "<script" not in html


def test_a_report_is_read_back() -> None:
    """That in JSON, of several devices."""
    one, two = of([access("W", 4, 4, 5)]), DeviceCoverage(devices.Part)
    assert loaded(REPORTS["json"]([one, two])) == [one, two]


def test_save_goes_by_the_suffix(tmp_path: Path) -> None:
    """Each suffix has its format."""
    begins = {"html": "<!DOCTYPE html>", "json": "{", "xml": "<?xml", "info": "TN:Card", "txt": "Card: "}
    for suffix, begin in begins.items():
        of([]).save(tmp_path / f"c.{suffix}")
        assert (tmp_path / f"c.{suffix}").read_text().startswith(begin)
    assert json.loads((tmp_path / "c.json").read_text())["devices"][0]["device"] == "Card"


@pytest.mark.parametrize(("text", "wish"), [("term", ("term", None)), ("html:a:b.html", ("html", "a:b.html"))])
def test_a_wish_is_format_and_path(text: str, wish: tuple[str, str | None]) -> None:
    """The path may have a colon."""
    assert parse(text) == wish


@pytest.mark.parametrize("text", ["", "html", "html:", "term:x", "pdf:x", ":x", "term:"])
def test_another_wish_is_refused(text: str) -> None:
    """With all that there are."""
    with pytest.raises(ValueError, match=r"expected a report, one of term, html:PATH, json:PATH, .* got '"):
        parse(text)


def test_a_field_without_access_has_no_points() -> None:
    """Reserved bits need not be touched."""

    class Reserved(Device):
        ctrl = register(0, fields=[bit("R", 0, access="na")])

    assert DeviceCoverage(Reserved).total.total == 2
    assert ">-<" in page([DeviceCoverage(Reserved)])
