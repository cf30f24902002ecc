"""`pagetrap coverage`, and the page it keeps."""

from pathlib import Path

import pytest

from emulate.coverage import coverage
from mmio.commands.main import main
from mmio.coverage_table import page

PAGE = Path(__file__).parents[2] / "docs" / "coverage.md"


def lines(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> list[str]:
    """What the command prints."""
    assert main(["coverage", *arguments]) == 0
    return capsys.readouterr().out.splitlines()


def test_the_page_is_up_to_date() -> None:
    """docs/coverage.md is what `pagetrap coverage --markdown` prints; run it again when this fails."""
    assert PAGE.read_text() == page() + "\n"


def test_totals_and_features(capsys: pytest.CaptureFixture[str]) -> None:
    """The first line is a heading, the second the total; the features add up to it."""
    heading, total, *features = lines([], capsys)
    assert heading.split() == ["emulated", "native", "refused", "unread"]
    numbers = [int(number) for number in total.split()[1:]]
    columns = [sum(int(line[24 + 10 * i : 34 + 10 * i].strip() or 0) for line in features) for i in range(4)]
    assert columns == numbers
    assert features == sorted(features)
    assert any(line.startswith("AVX512F ") for line in features)


def test_by_mnemonic_each_line_is_an_instruction(capsys: pytest.CaptureFixture[str]) -> None:
    """With --by mnemonic each line is an instruction."""
    found = {line.split()[0]: line.split()[1:] for line in lines(["--by", "mnemonic"], capsys)[1:]}
    assert found["xadd"] == ["4"]
    assert int(found["mov"][0]) > 20


def test_missing_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    """With --missing what is emulated is left out, and each line ends with the reason."""
    found = {line.split()[0]: line for line in lines(["--by", "mnemonic", "--missing"], capsys)}
    assert found["addps"].endswith("  floating-point arithmetic")
    assert found["lgdt"].endswith("  needs descriptor tables, which are not modelled")
    assert "mov" not in found


def test_markdown_is_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    """With --markdown it prints the page."""
    assert "\n".join(lines(["--markdown"], capsys)) == page()


def test_by_form_each_line_is_a_form_and_its_fate(capsys: pytest.CaptureFixture[str]) -> None:
    """With --by form each line is one form, with the function that does it or the reason why none does."""
    found = {line.split()[0]: line.split(maxsplit=2)[1:] for line in lines(["--by", "form"], capsys)}
    assert len(found) == len(coverage())
    assert found["XADD_RM32_R32"] == ["emulated", "exchange.xadd"]
    assert found["ADDPS_XMM_XMMM128"] == ["native", "floating-point arithmetic"]
