"""The views of ``neuroflow-logs``, answered from the index.

Whatever takes a client raises elasticsearch.ApiError where Elasticsearch refuses a request, and
elastic_transport.TransportError where it can't be reached or its answer is invalid.
"""
