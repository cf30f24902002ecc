"""What was accessed, as values: records, traces of them, and what can be asked of a trace."""
