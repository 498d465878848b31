"""Elasticsearch's API: client, requests, answers, templates."""
