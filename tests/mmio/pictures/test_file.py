"""Files of pictures: their formats by suffix, and writing them."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmio.pictures.file import FORMATS, picture


@given(st.sampled_from(FORMATS), st.text("abc./", min_size=1).filter(lambda stem: not stem.endswith(("/", "."))))
def test_a_suffix_means_its_format(form: str, stem: str) -> None:
    """A path of either kind keeps its name, whatever the case of the suffix."""
    for path in (f"{stem}.{form}", f"{stem}.{form.upper()}"):
        assert picture(path) == (path, form)
        assert picture(Path(path)) == (str(Path(path)), form)


@given(st.text().filter(lambda path: not path.lower().endswith(FORMATS)))
def test_any_other_is_refused(path: str) -> None:
    """There are no other formats, and none is taken for granted."""
    with pytest.raises(ValueError, match=r"expected a picture, a file with one of the suffixes \.png, \.svg, \.pdf"):
        picture(path)


@pytest.mark.parametrize("path", [5, None, b"map.png", ["map.png"], True], ids=repr)
def test_what_is_no_path_is_refused(path: Any) -> None:
    """It never reaches the library that draws."""
    with pytest.raises(TypeError, match=r"^path is a path, not "):
        picture(path)
