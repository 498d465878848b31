"""The running program: connects the parts, and decides when to scan, read, send and stop."""
