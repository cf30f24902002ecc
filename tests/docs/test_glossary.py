"""docs/glossary.md: its terms in order, and the pages that lead to it."""

import re

import pytest

from tests.documents import TOP

PAGE = (TOP / "docs" / "glossary.md").read_text()
TERMS = re.findall(r"^### (.+)$", PAGE, re.MULTILINE)
TUTORIALS = ["model-a-device.md", "firmware.md", "trace-to-test.md", "watchpoints.md", "programs-without-hardware.md"]


def test_terms_are_in_alphabetical_order() -> None:
    """A reader finds a term where the alphabet has it, and each once."""
    assert sorted(set(TERMS), key=str.casefold) == TERMS
    assert len(TERMS) > 40


def test_each_term_is_explained() -> None:
    """Below each term there is at least a sentence."""
    texts = re.split(r"^### .+$", PAGE, flags=re.MULTILINE)[1:]
    assert [term for term, text in zip(TERMS, texts, strict=True) if not text.strip().endswith(".")] == []


@pytest.mark.parametrize("name", TUTORIALS)
def test_a_tutorial_leads_to_the_terms_it_uses(name: str) -> None:
    """Each tutorial links a term where it is first used."""
    assert "](glossary.md#" in (TOP / "docs" / name).read_text()
