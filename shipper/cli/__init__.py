"""The commands: thin shells of click around the stations."""
