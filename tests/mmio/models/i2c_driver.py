"""A driver of the STM32's I2C controller, by the sequences of RM0090, 27.3.3, in Python."""

from mmio.models.stm32_i2c import ADDR, AF, BTF, RXNE, SB, TXE, Stm32I2c

CR1, CR2, OAR1, OAR2, DR, SR1, SR2, CCR, TRISE = range(0, 0x24, 4)
PE, START, STOP, ACK, POS = 0x1, 0x100, 0x200, 0x400, 0x800
PATIENCE = 10  # looks at SR1: nothing takes longer here


class Nack(Exception):
    """A byte was not acknowledged."""


class Driver:
    """The controller's user."""

    def __init__(self, i2c: Stm32I2c) -> None:
        self.i2c = i2c
        i2c.write(CR1, 4, PE)

    def control(self, put: int, clear: int = 0) -> None:
        self.i2c.write(CR1, 4, self.i2c.read(CR1, 4) & ~clear | put)

    def wait(self, flag: int) -> None:
        for _ in range(PATIENCE):
            status = self.i2c.read(SR1, 4)
            if status & AF:
                self.i2c.write(SR1, 4, 0xFFFF & ~AF)
                self.control(STOP)
                raise Nack
            if status & flag:
                return
        raise TimeoutError(f"SR1 is {status:#x}, and {flag:#x} never comes")

    def address(self, address: int, *, read: bool) -> None:
        self.control(START | ACK, POS)
        self.wait(SB)
        self.i2c.write(DR, 4, address << 1 | read)
        self.wait(ADDR)

    def send(self, address: int, data: bytes, *, stop: bool = True) -> None:
        self.address(address, read=False)
        self.i2c.read(SR2, 4)
        for byte in data:
            self.wait(TXE)
            self.i2c.write(DR, 4, byte)
        if data:
            self.wait(BTF)
        if stop:
            self.control(STOP)

    def receive(self, address: int, count: int) -> bytes:
        i2c = self.i2c
        data = bytearray()
        self.address(address, read=True)
        if count == 1:
            self.control(0, ACK)
            i2c.read(SR2, 4)
            self.control(STOP)
            self.wait(RXNE)
            return bytes([i2c.read(DR, 4)])
        if count == 2:
            self.control(POS)
            i2c.read(SR2, 4)
            self.control(0, ACK)
            self.wait(BTF)
            self.control(STOP)
            return bytes([i2c.read(DR, 4), i2c.read(DR, 4)])
        i2c.read(SR2, 4)
        while count - len(data) > 3:
            self.wait(RXNE)
            data.append(i2c.read(DR, 4))
        self.wait(BTF)
        self.control(0, ACK)
        data.append(i2c.read(DR, 4))
        self.control(STOP)
        data.append(i2c.read(DR, 4))
        self.wait(RXNE)
        data.append(i2c.read(DR, 4))
        return bytes(data)

    def receive_simply(self, address: int, count: int) -> bytes:
        """Receive as many drivers do, who refuse the last byte when the one before it has been read."""
        data = bytearray()
        self.address(address, read=True)
        if count == 1:
            self.control(0, ACK)
        self.i2c.read(SR2, 4)
        while len(data) < count:
            if count - len(data) == 1:
                self.control(STOP, ACK)
            self.wait(RXNE)
            data.append(self.i2c.read(DR, 4))
        return bytes(data)
