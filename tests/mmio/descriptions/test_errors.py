"""Errors of descriptions."""

from pathlib import Path

from mmio import DescriptionError, DescriptionWarning, MmioError


def test_the_message_begins_with_the_file() -> None:
    """Once: a problem that has its place in the file brings the file's name along."""
    assert str(DescriptionError(Path("x.svd"), "is odd")) == "x.svd: is odd"
    assert (
        str(DescriptionError("x.svd", "x.svd:3:1: is odd", "y.svd:4:2: too")) == "x.svd:3:1: is odd\n  y.svd:4:2: too"
    )


def test_it_is_an_error_of_mmio_and_a_value_error() -> None:
    """So that it is caught with its kin; what cannot be done is a warning of the user's kind."""
    error = DescriptionError("x.svd", "one", "two")
    assert isinstance(error, MmioError)
    assert isinstance(error, ValueError)
    assert (error.path, error.problems) == ("x.svd", ("one", "two"))
    assert issubclass(DescriptionWarning, UserWarning)
