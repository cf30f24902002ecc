"""The machine code between a program and Python."""

from decode import decode
from mmio.hosted.trampoline import LISTING
from mmio.linux import listing


def test_listing_is_what_the_bytes_say() -> None:
    """The text beside each instruction is what its bytes decode to, and jumps lead to labels."""
    labels, lines = listing.read(LISTING)
    for line in lines:
        assert decode(line.code).format(ip=line.offset) == line.text
        if line.text.split()[0] in ("jne", "je", "ja"):
            assert int(line.text.split()[-1].rstrip("h"), 16) in labels.values()
