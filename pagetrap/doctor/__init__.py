"""Diagnosis of an installation: what of the machine and of Python pagetrap needs, and whether each engine works."""

from pagetrap.doctor.report import run

__all__ = ["run"]
