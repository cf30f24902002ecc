"""The other end of a network card's wire."""

import ipaddress
import struct


class NameServer:
    """A host with the address 10.0.0.1 that answers ARP, ping, and every question for a name with 192.0.2.1."""

    mac = bytes.fromhex("020000000001")
    address = ipaddress.IPv4Address("10.0.0.1").packed
    found = ipaddress.IPv4Address("192.0.2.1").packed

    def answers(self, frame: bytes) -> list[bytes]:
        """Return the frames that answer one."""
        sender, kind, data = frame[6:12], frame[12:14], frame[14:]
        if kind == b"\x08\x06" and data[6:8] == b"\0\1" and data[24:28] == self.address:
            return [sender + self.mac + kind + data[:6] + b"\0\2" + self.mac + self.address + data[8:18]]
        if kind != b"\x08\x00" or data[16:20] != self.address:
            return []
        payload = data[20 : struct.unpack(">H", data[2:4])[0]]
        if data[9] == 1 and payload[0] == 8:
            answer = self._sums(b"\0\0\0\0" + payload[4:], 2)
        elif data[9] == 17 and payload[2:4] == b"\0\x35":
            question = payload[8:]
            record = b"\xc0\x0c\0\1\0\1" + struct.pack(">IH", 60, 4) + self.found
            body = question[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + question[12:] + record
            answer = payload[2:4] + payload[:2] + struct.pack(">HH", 8 + len(body), 0) + body
        else:
            return []
        header = struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(answer), 0, 0, 64, data[9], 0)
        header = self._sums(header + self.address + data[12:16], 10)
        return [sender + self.mac + kind + header + answer]

    @staticmethod
    def _sums(data: bytes, at: int) -> bytes:
        """Return data with its Internet checksum (RFC 1071) at an offset."""
        total = sum(struct.unpack(f">{len(data + bytes(len(data) % 2)) // 2}H", data + bytes(len(data) % 2)))
        while total >> 16:
            total = (total & 0xFFFF) + (total >> 16)
        return data[:at] + struct.pack(">H", ~total & 0xFFFF) + data[at + 2 :]
