"""The instructions, by family. Importing this package fills `emulate.recipes.RECIPES`."""

from emulate.families import arithmetic, moves, ports, shifts, strings, vector

__all__ = ["arithmetic", "moves", "ports", "shifts", "strings", "vector"]
