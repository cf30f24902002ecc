"""The faults, a module for each part of the project: which text of which module is replaced by which, and who notices.

The texts are pieces of the sources as they stand; a test fails when one of them is no longer there, so that no fault is
silently left out.
"""
