"""Tests of mmio.interrupts."""
