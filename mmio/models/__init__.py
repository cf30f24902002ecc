"""Device models that come with the package: serial ports, timers, pins, buses, DMA."""

import sys
from typing import TYPE_CHECKING

from mmio.demand import on_demand

if TYPE_CHECKING:
    from mmio.models.eeprom_24c import Eeprom24C
    from mmio.models.limits import NotModelled
    from mmio.models.spi_flash import SpiFlash
    from mmio.models.stm32_dma import Stm32Dma
    from mmio.models.stm32_gpio import Stm32Gpio
    from mmio.models.stm32_i2c import I2cTarget, Stm32I2c
    from mmio.models.stm32_spi import SpiTarget, Stm32Spi
    from mmio.models.stm32_timer import Stm32Timer
    from mmio.models.stm32_usart import Stm32Usart
    from mmio.models.uart_16550 import Uart16550, Uart16550Wide
else:
    __getattr__, __dir__ = on_demand(sys.modules[__name__])

__all__ = [
    "Eeprom24C",
    "I2cTarget",
    "NotModelled",
    "SpiFlash",
    "SpiTarget",
    "Stm32Dma",
    "Stm32Gpio",
    "Stm32I2c",
    "Stm32Spi",
    "Stm32Timer",
    "Stm32Usart",
    "Uart16550",
    "Uart16550Wide",
]
