"""The instructions, by family. Importing this package fills `emulate.recipes.RECIPES`."""

from emulate.families import (
    arithmetic,
    bits,
    conditions,
    exchange,
    moves,
    multiply,
    ports,
    shifts,
    strings,
    vector,
    vector_broadcast,
    vector_gather,
    vector_lanes,
    vector_masked,
    vector_state,
    vector_width,
)

__all__ = [
    "arithmetic",
    "bits",
    "conditions",
    "exchange",
    "moves",
    "multiply",
    "ports",
    "shifts",
    "strings",
    "vector",
    "vector_broadcast",
    "vector_gather",
    "vector_lanes",
    "vector_masked",
    "vector_state",
    "vector_width",
]
