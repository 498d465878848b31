"""What a person types → Query DSL."""
