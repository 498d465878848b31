"""What others may know of a running sidecar: metrics and health over HTTP, and what systemd is told."""
