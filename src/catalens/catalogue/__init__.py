"""Sources, records and vectors at rest, search, and what is written of them."""
