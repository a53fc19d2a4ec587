"""Builds the documentation site: what mkdocs does not do by itself, as hooks of `mkdocs.yml`."""
