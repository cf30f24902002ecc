"""Instructions rewritten where they stand: one that has faulted often calls the handler instead of faulting again."""
