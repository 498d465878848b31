"""Everything that knows how Elasticsearch talks: client, requests, answers, templates."""
