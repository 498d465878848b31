"""A real Elasticsearch for a laptop, an application that writes logs, and the show that joins them."""
