"""Line → record: plain dicts in the source's own words, one module a format, pure functions."""
