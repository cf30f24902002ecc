"""The address space: which device answers where, and the path of an access to it."""
