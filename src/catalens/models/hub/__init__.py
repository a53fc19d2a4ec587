"""Pretrained encoders by the names people know: finding their files, loading them, running them with torch."""
