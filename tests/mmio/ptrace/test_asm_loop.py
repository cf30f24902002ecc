"""The machine code of the round trip."""

from decode import decode
from mmio.linux import listing
from mmio.ptrace.asm_loop import LISTING


def test_listing_is_what_the_bytes_say() -> None:
    """The text beside each instruction is what its bytes decode to, and jumps lead to labels."""
    labels, lines = listing.read(LISTING)
    for line in lines:
        assert decode(line.code).format(ip=line.offset) == line.text
        if line.text.split()[0] in ("call", "jne", "je", "jmp"):
            assert int(line.text.split()[-1].rstrip("h"), 16) in labels.values()
