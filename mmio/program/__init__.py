"""Handling of a whole program, on any engine: targets, mappings, system calls, redirected files."""
