"""Record → Elasticsearch document in ECS names; pure functions."""
