"""Files that are there as a whole or not at all: written under another name, and renamed when they are finished."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike, fspath
from tempfile import TemporaryDirectory

from mmio.formats.writer import lock


@contextmanager
def replaced(path: str | PathLike[str]) -> Iterator[str]:
    """Yield the path of a file to write, which takes the place of `path` at the end of the `with` statement.

    If the statement is left by an exception, `path` is as it was. What is no regular file, such as a pipe, is written
    directly, and a symbolic link stays one.

    Args:
        path: of the file.

    Raises:
        TraceFileError: a writer of traces is writing the file.
        OSError: the folder cannot be written.
    """
    target = os.path.realpath(path)
    if os.path.exists(target) and not os.path.isfile(target):
        yield fspath(path)
        return
    if os.path.exists(target):
        with open(target, "rb") as there:
            lock(there.fileno(), target)
    folder, name = os.path.split(target)
    try:
        beside = TemporaryDirectory(prefix=f".{name}.", dir=folder)
    except OSError as error:
        raise OSError(
            error.errno, error.strerror, fspath(path)
        ) from None  # the name that was given, not that of the folder beside it
    with beside as place:
        unfinished = os.path.join(place, name)
        yield unfinished
        os.replace(unfinished, target)
