"""Keep libtiff from writing to standard error: what it reports there names no file, and Pillow raises it anyway."""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path

import PIL


@cache
def silence_libtiff() -> None:
    """Turn off libtiff's own error messages in the copy that Pillow brings; where it is linked in, nothing changes."""
    package = Path(PIL.__file__).parent
    folders = (package.parent / "pillow.libs", package / ".dylibs")
    for file in (file for folder in folders for file in folder.glob("libtiff*")):
        try:
            library = ctypes.CDLL(str(file))
            for handler in (library.TIFFSetErrorHandler, library.TIFFSetErrorHandlerExt):
                handler.argtypes, handler.restype = [ctypes.c_void_p], ctypes.c_void_p
                handler(None)
        except (OSError, AttributeError):  # not the library that is in use
            continue
