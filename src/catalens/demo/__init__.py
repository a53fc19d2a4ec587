"""The demo: products drawn by code, of which everything is known."""
