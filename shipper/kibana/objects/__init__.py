"""The objects of Kibana, made from the views' declarations.

Nothing here sends requests: ``python -m shipper.kibana.objects`` writes the files under ``kibana/``, which are
committed and installed as they are.  The shapes are the oldest that supported Kibanas accept; newer ones migrate
them.
"""
