"""Pictures seen from above, curves, and the report of a run."""
