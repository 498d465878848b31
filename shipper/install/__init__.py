"""What the cluster and Kibana need before the first document: put there, compared, put right."""
