"""Check that hypothesis is installed, before anything of it is imported."""

try:
    import hypothesis  # noqa: F401
except ImportError as error:
    reason = "mmio.strategies needs hypothesis: pip install 'pagetrap[hypothesis]'"
    raise ImportError(reason, name=error.name) from error
