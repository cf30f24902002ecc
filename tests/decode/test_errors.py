"""What is said about bytes that are not an instruction."""

import pytest

from decode import DecodeError, InstructionTooLong, InvalidInstruction, TruncatedInstruction, decode


@pytest.mark.parametrize(
    ("code", "bits", "kind", "message"),
    [
        ("", 64, TruncatedInstruction, "more bytes are needed to end this instruction: no bytes (64-bit code)"),
        ("8b", 64, TruncatedInstruction, "more bytes are needed to end this instruction: 8b (64-bit code)"),
        ("8b 47", 32, TruncatedInstruction, "more bytes are needed to end this instruction: 8b 47 (32-bit code)"),
        ("66", 16, TruncatedInstruction, "more bytes are needed to end this instruction: 66 (16-bit code)"),
        ("f0 8b 07", 64, InvalidInstruction, "no instruction has this encoding: f0 8b 07 (64-bit code)"),
        ("0f 0a 00", 64, InvalidInstruction, "no instruction has this encoding: 0f 0a 00 (64-bit code)"),
        (
            "66" * 13 + "81 07 34 12",
            64,
            InstructionTooLong,
            f"an instruction has 15 bytes at most: {'66 ' * 13}81 07 (64-bit code)",
        ),
    ],
)
def test_errors_name_the_bytes_and_the_mode(code: str, bits: int, kind: type[DecodeError], message: str) -> None:
    """An error says what is wrong, with which bytes, in which mode; and has them as attributes."""
    with pytest.raises(kind) as caught:
        decode(bytes.fromhex(code), bits)
    assert type(caught.value) is kind
    assert str(caught.value) == message
    assert (caught.value.code, caught.value.bits) == (bytes.fromhex(code)[:15], bits)
    assert message.startswith(caught.value.reason)


def test_both_are_value_errors() -> None:
    """A caller who does not care which catches `DecodeError`, or `ValueError`."""
    assert issubclass(TruncatedInstruction, DecodeError)
    assert issubclass(InvalidInstruction, DecodeError)
    assert issubclass(DecodeError, ValueError)
