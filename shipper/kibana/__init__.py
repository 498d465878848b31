"""Kibana: its objects and alert rules, put into a space and compared."""
