"""The demonstration: an application that writes logs, a node, the sidecar, a count of lines, the views."""
