"""The address space: which device answers where, and the way of an access to it."""
