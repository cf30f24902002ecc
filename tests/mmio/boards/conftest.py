"""A chip of a few peripherals, and firmware for it."""

from collections.abc import Iterator
from ctypes import CDLL, c_uint32, c_void_p
from pathlib import Path

import pytest

import mmio
from mmio import Board
from mmio.cortex_m.intrinsics import INCLUDE
from tests.native import build_c

CHIP = """<?xml version="1.0" encoding="utf-8"?>
<device schemaVersion="1.1">
  <name>SMALL</name>
  <cpu><name>CM4</name><revision>r0p1</revision><endian>little</endian><mpuPresent>true</mpuPresent>
    <fpuPresent>true</fpuPresent><nvicPrioBits>4</nvicPrioBits><vendorSystickConfig>false</vendorSystickConfig></cpu>
  <addressUnitBits>8</addressUnitBits><width>32</width><size>32</size><access>read-write</access>
  <resetValue>0</resetValue><resetMask>0xffffffff</resetMask>
  <peripherals>
    <peripheral><name>USART1</name><baseAddress>0x40011000</baseAddress>
      <addressBlock><offset>0</offset><size>0x400</size><usage>registers</usage></addressBlock>
      <interrupt><name>USART1</name><value>37</value></interrupt>
      <registers>
        <register><name>SR</name><addressOffset>0</addressOffset><resetValue>0xc0</resetValue></register>
        <register><name>DR</name><addressOffset>4</addressOffset></register>
        <register><name>CR1</name><addressOffset>0xc</addressOffset>
          <fields><field><name>UE</name><bitOffset>13</bitOffset><bitWidth>1</bitWidth></field></fields></register>
      </registers></peripheral>
    <peripheral derivedFrom="USART1"><name>USART2</name><baseAddress>0x40011400</baseAddress>
      <interrupt><name>USART2</name><value>38</value></interrupt></peripheral>
    <peripheral><name>TIMER</name><baseAddress>0x40020000</baseAddress>
      <addressBlock><offset>0</offset><size>0x8</size><usage>registers</usage></addressBlock>
      <interrupt><name>TIMER_UP</name><value>1</value></interrupt>
      <interrupt><name>TIMER_CC</name><value>2</value></interrupt>
      <registers>
        <register><name>CR</name><addressOffset>0</addressOffset></register>
        <register><name>FAR</name><addressOffset>0x100</addressOffset><resetValue>0x1234</resetValue></register>
      </registers></peripheral>
    <peripheral><name>SCB</name><baseAddress>0xE000ED00</baseAddress>
      <addressBlock><offset>0</offset><size>0x40</size><usage>registers</usage></addressBlock>
      <registers><register><name>CPUID</name><addressOffset>0</addressOffset></register></registers></peripheral>
  </peripherals>
</device>
"""

FIRMWARE = r"""
#include <stdint.h>
#define REG(address) (*(volatile uint32_t *)(uintptr_t)(address))
int handled[64], order[64], handlers;
uint32_t load(uint32_t at) { return REG(at); }
void store(uint32_t at, uint32_t value) { REG(at) = value; }
uint64_t load8(uint32_t at) { return *(volatile uint64_t *)(uintptr_t)at; }
void store1(uint32_t at, uint8_t value) { *(volatile uint8_t *)(uintptr_t)at = value; }
void enable(int irq, int priority) {
    *(volatile uint8_t *)(0xE000E400ul + irq) = priority << 4;
    REG(0xE000E100 + irq / 32 * 4) = 1u << irq % 32;
}
static void note(int irq) { handled[irq]++; order[handlers++ % 64] = irq; }
void USART1_IRQHandler(void) { note(37); (void)REG(0x40011004); }
void TIMER_UP_IRQHandler(void) { note(1); REG(0x40011404) = 7; order[handlers++ % 64] = -1; }
void SysTick_Handler(void) { note(15); }
void block(void) { __disable_irq(); }
void unblock(void) { __enable_irq(); }
uint32_t masked(void) { return __get_PRIMASK(); }
void sleep(void) { __WFI(); }
void copy(uintptr_t to, uintptr_t from, unsigned long count) {
    __asm__ volatile("rep movsl" : "+D"(to), "+S"(from), "+c"(count) :: "memory");
}
uint32_t wait_ready(uint32_t at, uint32_t bit) { uint32_t n = 0; while (!(REG(at) & bit)) n++; return n; }
"""


@pytest.fixture(scope="session")
def chip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("chip") / "small.svd"
    path.write_text(CHIP)
    return path


@pytest.fixture(scope="session")
def firmware_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    header = (INCLUDE / "pagetrap_cmsis.h").read_text()
    return build_c(f"{header}\n{FIRMWARE}", tmp_path_factory.mktemp("firmware"))


@pytest.fixture
def board(chip: Path) -> Iterator[Board]:
    with mmio.board(chip) as board:
        yield board


@pytest.fixture
def firmware(board: Board, firmware_path: Path) -> CDLL:
    library = board.load(firmware_path)
    for name in ("handled", "order"):
        (c_uint32 * 64).in_dll(library, name)[:] = [0] * 64
    c_uint32.in_dll(library, "handlers").value = 0
    library.load.restype = c_uint32
    library.load.argtypes = library.load8.argtypes = (c_void_p,)
    return library
