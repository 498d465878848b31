"""A typed query → Query DSL."""
