"""Training recipes: the commands that made the bundled models."""
