"""Files of pictures: their formats by suffix, and writing them."""

from os import PathLike
from os.path import splitext
from typing import Any, Final

from mmio.arguments import path as path_of

FORMATS: Final = ("png", "svg", "pdf")


def picture(path: str | PathLike[str]) -> tuple[str, str]:
    """Return the path of a picture, and the format that its suffix means.

    Raises:
        TypeError: it is no path.
        ValueError: its suffix is of no format.
    """
    path = path_of("path", path)
    suffix = splitext(path)[1][1:].lower()
    if suffix not in FORMATS:
        known = ", ".join(f".{name}" for name in FORMATS)
        raise ValueError(f"{path}: expected a picture, a file with one of the suffixes {known}")
    return path, suffix


def write(figure: Any, path: str | PathLike[str]) -> None:
    """Write a figure of matplotlib to a file, in the format that its suffix means.

    matplotlib would add a suffix to a path that has none, and so write another file than was asked for.

    Raises:
        OSError: it cannot be written; the error names the file.
        TypeError, ValueError: as of `picture`.
    """
    path, form = picture(path)
    try:
        figure.savefig(path, dpi=120, format=form)
    except OSError as error:
        error.filename = error.filename or path  # a disk that is full does not say which
        raise
