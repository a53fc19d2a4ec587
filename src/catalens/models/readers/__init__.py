"""Readers: models that describe images and answer questions about them."""

from catalens.models.known_readers import KNOWN_READERS, KnownReader
from catalens.models.readers.registry import Reader, load_reader

__all__ = ["KNOWN_READERS", "KnownReader", "Reader", "load_reader"]
