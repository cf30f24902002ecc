"""What a mapping lets through, and how the rest is cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmio.records.flags import SPLIT, TOO_WIDE, UNALIGNED
from mmio.space.policy import WIDTHS, Policy

widths = st.sets(st.sampled_from(sorted(WIDTHS)), min_size=1)
misfits = st.sampled_from(["error", "split", "pass"])
policies = st.builds(Policy, widths=widths, unaligned=misfits, too_wide=misfits)


def test_what_fits_passes_unmarked() -> None:
    """By default every general-register width passes, aligned or not, and no flag is set: no policy acted."""
    for width in (1, 2, 4, 8):
        for offset in range(8):
            assert Policy().pieces(offset, width) == ((0, width, 0),)


def test_vector_accesses_are_split_by_default() -> None:
    """A device gets eight bytes at a time of a wider access; odd widths end in smaller pieces."""
    flags = SPLIT | TOO_WIDE
    assert Policy().pieces(4, 16) == ((0, 8, flags), (8, 8, flags))
    assert Policy().pieces(0, 10) == ((0, 8, flags), (8, 2, flags))


def test_too_wide_split() -> None:
    """A device of dwords sees a qword as two, low one first."""
    assert Policy({4}).pieces(8, 8) == ((0, 4, SPLIT | TOO_WIDE), (4, 4, SPLIT | TOO_WIDE))


def test_too_wide_pass() -> None:
    """Passed on, a wide access is one, whatever its width."""
    assert Policy({4}, too_wide="pass").pieces(0, 64) == ((0, 64, 0),)


def test_too_wide_error() -> None:
    """Refused, it says which widths the mapping takes."""
    assert Policy({2, 1}, too_wide="error").pieces(0, 8) == "width not among those the mapping allows (1, 2)"


@pytest.mark.parametrize("too_wide", ["error", "split", "pass"])
def test_narrower_than_everything_is_refused(too_wide: str) -> None:
    """A byte cannot be split into dwords, nor is it too wide for them."""
    policy = Policy({4, 8}, too_wide=too_wide)  # type: ignore[arg-type]  # a str is what the parameter is
    assert policy.pieces(0, 1) == "narrower than every width the mapping allows (4, 8)"


def test_an_unaligned_access_splits_into_aligned_ones() -> None:
    """An unaligned access becomes the largest aligned ones, in address order."""
    flags = SPLIT | UNALIGNED
    assert Policy(unaligned="split").pieces(3, 4) == ((0, 1, flags), (1, 2, flags), (3, 1, flags))
    assert Policy(unaligned="split").pieces(4, 4) == ((0, 4, 0),)


def test_unaligned_split_without_a_width_that_fits() -> None:
    """Dwords only, at offset 2: there is no way to split it."""
    assert Policy({4}, unaligned="split").pieces(2, 4) == "cannot be split into the widths the mapping allows (4)"


def test_a_refused_unaligned_access_says_the_alignment() -> None:
    """Refused, it says which alignment is demanded; a byte is always aligned."""
    policy = Policy(unaligned="error")
    assert policy.pieces(2, 4) == "not aligned to 4 bytes, which the mapping requires"
    assert policy.pieces(3, 1) == ((0, 1, 0),)


def test_alignment_is_asked_of_the_pieces() -> None:
    """A 16-byte access at 8 is two aligned qwords, at 4 two unaligned ones: width is looked at first."""
    policy = Policy(unaligned="error")
    assert policy.pieces(8, 16) == ((0, 8, SPLIT | TOO_WIDE), (8, 8, SPLIT | TOO_WIDE))
    assert policy.pieces(4, 16) == "not aligned to 8 bytes, which the mapping requires"


def test_a_border_leaves_odd_widths_and_they_are_cut() -> None:
    """Three bytes before a border are two accesses even where too wide ones are refused: three were not asked for."""
    assert Policy(too_wide="error").pieces(1, 3, at_border=True) == ((0, 2, SPLIT), (2, 1, SPLIT))


@given(policies, st.integers(0, 1 << 20), st.integers(1, 512), st.booleans())
def test_pieces_tile_the_access(policy: Policy, offset: int, width: int, at_border: bool) -> None:
    """Unless it is refused, every byte is in one piece, in order, and pieces keep what the policy promises."""
    pieces = policy.pieces(offset, width, at_border)
    if isinstance(pieces, str):
        return
    at = 0
    for first, piece, flags in pieces:
        assert first == at
        at += piece
        assert piece in policy.widths or (policy.too_wide == "pass" and pieces == ((0, width, 0),))
        assert policy.unaligned == "pass" or not (offset + first) % piece or piece not in policy.widths
        assert bool(flags & SPLIT) == (len(pieces) > 1 or at_border)
    assert at == width


@given(policies, st.integers(0, 1 << 20), st.sampled_from(sorted(WIDTHS)))
def test_plain_widths_pass_everywhere(policy: Policy, offset: int, width: int) -> None:
    """An access the short way takes is one the long way would not change."""
    if width in policy.plain_widths:
        assert policy.pieces(offset, width) == ((0, width, 0),)


@pytest.mark.parametrize("bad", [[], [3], [0], [128]])
def test_widths_are_powers_of_two(bad: list[int]) -> None:
    """A width no access has is a mistake in the mapping, and is reported as that."""
    with pytest.raises(ValueError, match=r"widths must be some of \[1, 2, 4, 8, 16, 32, 64\], not \["):
        Policy(bad)


def test_a_misspelt_policy_is_an_error() -> None:
    """The words are checked."""
    with pytest.raises(ValueError, match="unaligned"):
        Policy(unaligned="splt")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="too_wide"):
        Policy(too_wide="ignore")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="unmapped"):
        Policy(unmapped="ff")  # type: ignore[arg-type]


def test_a_policy_that_is_none_names_those_there_are() -> None:
    """The message is for people."""
    with pytest.raises(ValueError, match=r"^unmapped is one of error, ones, zeros, not 'one'$"):
        Policy(unmapped="one")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^widths must be some of \[1, 2, 4, 8, 16, 32, 64\], not \[3\]$"):
        Policy(widths=3)  # type: ignore[arg-type]
