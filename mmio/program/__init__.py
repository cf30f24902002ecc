"""What is done to a whole program, whatever engine runs it: targets, mappings, system calls, redirected files."""
