"""One access as a value, and the events between accesses."""
