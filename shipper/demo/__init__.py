"""An application that writes logs, and the show: a node, the sidecar, the count, the views."""
