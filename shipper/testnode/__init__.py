"""A real Elasticsearch for a laptop and for tests: Docker, or Elastic's test distribution."""
