"""What every live source of faults shares: registers, memory, faults of the program, out-of-line completion."""
