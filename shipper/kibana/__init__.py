"""Installs Kibana's objects and alert rules in a space.

Whatever takes a client raises KibanaError where Kibana can't be reached or refuses.
"""
