"""Microcontrollers in this process: every peripheral at its address, for firmware compiled for the host."""

from mmio.boards.board import Board
from mmio.boards.handlers import NoHandler
from mmio.boards.making import board
from mmio.boards.memory import Memory

__all__ = ["Board", "Memory", "NoHandler", "board"]
