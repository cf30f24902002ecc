"""Instructions rewritten where they stand: after its first fault, one calls the handler instead of faulting again."""
