"""Where pictures come from: folders, tables and known data sets, each read lazily into items."""

from catalens.catalogue.sources.cells import read_picture
from catalens.catalogue.sources.items import Entry, Item, Source
from catalens.catalogue.sources.opening import LAYOUTS, Layout, open_source

__all__ = ["LAYOUTS", "Entry", "Item", "Layout", "Source", "open_source", "read_picture"]
