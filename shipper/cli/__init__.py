"""The two programs: commands and options (click), exit codes."""
