"""Which instructions a copy can do the work of."""

import pytest

from decode import decode
from mmio.live.completion import can_complete


@pytest.mark.parametrize(
    ("code", "possible"),
    [
        ("0f5107", True),  # sqrtps xmm0,[rdi]
        ("d937", True),  # fnstenv [rdi]
        ("0fae07", True),  # fxsave [rdi], 512 bytes
        ("ff17", False),  # call [rdi] continues elsewhere
        ("ff27", False),  # jmp [rdi]
        ("ff2f", False),  # jmp far [rdi]
        ("48a5", False),  # movsq has two operands
        ("ff37", False),  # push [rdi] writes to the stack as well
        ("0f01f8", False),  # swapgs touches no memory
    ],
)
def test_a_copy_has_one_operand_and_goes_on_behind_itself(code: str, possible: bool) -> None:
    """Only the one memory operand is elsewhere: whatever else touches memory, or goes elsewhere, has no copy."""
    assert can_complete(decode(bytes.fromhex(code))) == possible
