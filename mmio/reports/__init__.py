"""A trace as one HTML page: timeline, table, registers, coverage of its devices, differences to another trace."""
