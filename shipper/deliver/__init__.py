"""Documents → cluster, each acknowledged by itself."""
