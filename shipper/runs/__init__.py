"""The life of runs: facts from log lines → one document per run."""
