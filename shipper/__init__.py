"""neuroflow-ship: neuroflow's logs into Elasticsearch, each line exactly once, and its views from the index."""

__version__ = "0.1.0"
