"""The running program: connects the stations, and decides when to scan, read, send and stop."""
