"""What survives a restart: positions, and what was learned from lines."""
