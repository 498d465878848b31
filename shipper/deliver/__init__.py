"""Documents → Elasticsearch; each document is acknowledged separately."""
