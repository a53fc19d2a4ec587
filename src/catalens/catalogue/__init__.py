"""Sources, records and vectors at rest, and search."""
