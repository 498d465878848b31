"""Exit codes of ``neuroflow-ship`` and ``neuroflow-logs``."""

OK = 0
INCOMPLETE = 1
"""``neuroflow-ship``: something was left, refused or wrong."""
NOTHING_FOUND = 1
"""``neuroflow-logs``: no document matches."""
USAGE = 2
"""Usage, configuration, or a file that can't be used."""
CLUSTER = 3
"""The cluster, or Kibana, can't be reached or refuses."""
INTERRUPTED = 130
"""Ctrl-C, as a shell reports it."""
