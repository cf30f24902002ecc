"""Parts shared by all live sources of faults: frames, memory, fault signals, out-of-line execution."""
