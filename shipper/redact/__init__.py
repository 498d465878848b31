"""Redaction: secrets are removed from records and texts, configured ids are hashed."""
