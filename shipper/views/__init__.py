"""From the index back to the eye: the views of the command line."""
