"""What the children of an element say."""

from pathlib import Path

from mmio.descriptions.svd.texts import bare, labelled
from tests.mmio.descriptions.svd.files import make, notes, register


def test_unknown_elements_are_noted(tmp_path: Path) -> None:
    """A misspelt word would change the device without a sound."""
    made = make(tmp_path, register("A", 0, "<readaction>clear</readaction><protection>s</protection>"))
    assert notes(made) == [
        "A: protection: every access is let through",
        "A: readaction: unknown, and passed over (line 5)",
    ]


def test_what_is_not_used_may_be_wrong(tmp_path: Path) -> None:
    """The type C code would have for a register does not matter here."""
    assert make(tmp_path, register("A", 0, "<dataType>u32</dataType><protection>x</protection>"))().A == 0


def test_names_of_array_elements() -> None:
    """The label stands where the name has it, else at the end."""
    assert [labelled(name, "7") for name in ("A%s", "A[%s]", "A%sB", "A")] == ["A7", "A[7]", "A7B", "A7"]
    assert [labelled(name, "") for name in ("A%s", "A[%s]", "A%sB", "A")] == ["A", "A", "AB", "A"]
    assert bare("A[%s]_%s") == "A_"
