"""Plain memory as a device: what `AddressSpace.ram` maps."""


class Memory:
    """`size` bytes of zeroed memory, in `data`. Any width, any alignment."""

    def __init__(self, size: int) -> None:
        self.data = bytearray(size)

    def read(self, offset: int, width: int) -> int:
        """Read `width` bytes as an unsigned little-endian int."""
        return int.from_bytes(self.data[offset : offset + width], "little")

    def write(self, offset: int, width: int, value: int) -> None:
        """Write `width` bytes."""
        self.data[offset : offset + width] = value.to_bytes(width, "little")

    def read_block(self, offset: int, length: int) -> bytes:
        """Read any number of bytes."""
        return bytes(self.data[offset : offset + length])

    def write_block(self, offset: int, data: bytes) -> bool:
        """Write any number of bytes."""
        self.data[offset : offset + len(data)] = data
        return True

    fetch = read_block
