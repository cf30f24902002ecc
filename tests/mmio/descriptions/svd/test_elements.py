"""What can be asked of any element of an SVD file."""

from pathlib import Path

import pytest

from mmio import DescriptionError
from mmio.descriptions.svd.elements import drop, label, name_of, named, problem, put
from mmio.descriptions.svd.file import read_peripheral
from tests.mmio.descriptions.svd.files import field, peripheral, register, write


def test_an_element_is_called_by_the_names_around_it(tmp_path: Path) -> None:
    """Containers have no part in it; what has no name is called by its tag, inside of what has one."""
    fields = f"<fields>{field('EN', '0:0')}</fields>"
    root = read_peripheral(write(tmp_path, peripheral(register("CR", 0, fields))), "P")
    inner = root.find(".//field")
    assert label(inner) == "P.CR.EN"
    assert label(inner.find("bitRange")) == "P.CR.EN"
    assert label(root.find("size")) == "<size>"
    assert [name_of(each) for each in named(root)] == ["P"]
    assert [name_of(each) for each in named(root.find(".//peripheral"))] == ["CR"]


def test_children_are_put_and_dropped(tmp_path: Path) -> None:
    """A child is made when there is none; dropping says what it said."""
    root = read_peripheral(write(tmp_path, peripheral(register("CR"))), "P")
    put(root, "series", "A")
    put(root, "series", " B ")
    assert drop(root, "series") == "B"
    assert drop(root, "series") == ""


def test_a_problem_names_file_line_and_element(tmp_path: Path) -> None:
    """The path as it was given, so that an editor finds it."""
    path = write(tmp_path, "\n" + peripheral(register("CR")))
    element = read_peripheral(path, "P").find(".//register")
    with pytest.raises(DescriptionError) as caught:
        raise problem(element, "is odd")
    assert str(caught.value) == f"{path}:6: P.CR: is odd"
