"""Rows as text and as HTML."""

from mmio.pictures.columns import Column, aligned, html

COLUMNS = (Column("name"), Column("count", right=True), Column("note"))


def test_columns_are_aligned() -> None:
    """Cells stand left or right in a column as wide as its widest cell, and no line ends in spaces."""
    text = aligned(COLUMNS, [("a", "1", "x"), ("longer", "1,000", "")])
    assert text.splitlines() == [
        "name    count  note",
        "a           1  x",
        "longer  1,000",
    ]


def test_empty_columns_are_left_out() -> None:
    """A column in which no row has anything is not shown."""
    assert aligned(COLUMNS, [("a", "1", "")]).splitlines() == ["name  count", "a         1"]
    assert "note" not in html(COLUMNS, [("a", "1", "")], "")


def test_html_is_escaped() -> None:
    """Nothing in a cell or caption can become markup."""
    text = html(COLUMNS, [("<i>", "&", "")], "<b>")
    assert "&lt;i&gt;" in text
    assert "&amp;" in text
    assert "<b>" not in text
