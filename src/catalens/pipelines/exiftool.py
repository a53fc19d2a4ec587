"""XMP inside picture files, read and written by exiftool, which knows every format's way to hold it.

Source:
    ExifTool documentation, "-stay_open": arguments one a line, `-execute` runs them, and the answer ends with {ready}.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

from catalens.core.errors import InputError
from catalens.core.types import Record
from catalens.pipelines.output import OutputRow
from catalens.pipelines.xmp_sidecars import words_of
from catalens.render.xmp import is_ours, merged_xmp

_READY = b"{ready}"
_TIMEOUT_S = 30
_BEGIN = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'.encode()
_END = b'<?xpacket end="w"?>'


class XmpInFiles:
    """Writes description, keywords and alternative text into the picture files; what a person wrote there is kept.

    Pixels and everything else in the file stay as they are. A file is written under another name and then renamed.
    """

    def __init__(self, *, overwrite: bool = False) -> None:
        """Choose whether words of an earlier run are replaced.

        Raises:
            InputError: exiftool is not installed.
        """
        self._tool, self._overwrite = Exiftool(), overwrite

    def holds(self, record: Record) -> bool:
        """Return whether the picture has words of an earlier run.

        Raises:
            InputError: the picture is not a file of its own.
        """
        return not self._overwrite and is_ours(_path(record).read_bytes())

    def write(self, results: Sequence[OutputRow]) -> None:
        """Write into each picture.

        Raises:
            InputError: a picture is not a file of its own, or exiftool cannot write it.
        """
        with TemporaryDirectory(prefix="catalens-") as folder:
            packet = Path(folder, "words.xmp")
            for result in results:
                path = _path(result.record)
                content = self._tool.run("-b", "-XMP", path)
                try:
                    packet.write_bytes(_packet(merged_xmp(content or None, words_of(result.values))))
                except InputError as error:
                    raise InputError(f"{path}: {error}") from error
                self._put(path, packet)

    def finish(self) -> None:
        """Nothing waits."""

    def close(self) -> None:
        """End exiftool."""
        self._tool.close()

    def _put(self, path: Path, packet: Path) -> None:
        fresh = path.with_name(f".{path.name[:200]}.part{path.suffix}")
        fresh.unlink(missing_ok=True)
        try:
            self._tool.run("-o", fresh, f"-XMP<={packet}", path)
            if not fresh.exists() or not is_ours(fresh.read_bytes()):
                raise InputError(f"{path}: exiftool cannot write XMP into this file; use --xmp for a file beside it")
            shutil.copystat(path, fresh)
            fresh.replace(path)
        finally:
            fresh.unlink(missing_ok=True)


class Exiftool:
    """One exiftool process that takes one command after the other; started when it is first needed."""

    def __init__(self) -> None:
        program = shutil.which("exiftool")
        if program is None:
            raise InputError(
                "writing into picture files needs exiftool, which is not installed; install it "
                "(https://exiftool.org, or the package libimage-exiftool-perl), or use --xmp for files beside them"
            )
        self._program = program
        self._process: subprocess.Popen[bytes] | None = None

    def run(self, *arguments: object) -> bytes:
        """Run one command and return what it printed; a file that it cannot read gives nothing.

        Raises:
            InputError: a name that it cannot be told, or it has ended.
        """
        texts = [os.fspath(each) if isinstance(each, Path) else str(each) for each in arguments]
        if any("\n" in text for text in texts):
            raise InputError(f"{texts[-1]!r} has a line break in its name, which exiftool cannot take")
        process = self._started()
        stdin, stdout = _pipes(process)
        try:
            stdin.write(os.fsencode("\n".join([*texts, "-execute", ""])))
            stdin.flush()
            answer = b""
            while not answer.rstrip().endswith(_READY):
                line = stdout.readline()
                if not line:
                    raise InputError("exiftool has ended; start again to continue")
                answer += line
        except OSError as error:
            raise InputError(f"exiftool has ended ({error}); start again to continue") from error
        return answer.rstrip().removesuffix(_READY)

    def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is None:
            return
        stdin, stdout = _pipes(process)
        with suppress(OSError), stdin, stdout:
            stdin.write(b"-stay_open\nFalse\n")
        try:
            process.wait(_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            command = [self._program, "-stay_open", "True", "-@", "-", "-common_args", "-m"]
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
            )
        return self._process


def _pipes(process: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes]]:
    stdin: Any = process.stdin
    stdout: Any = process.stdout
    return stdin, stdout


def _packet(content: bytes) -> bytes:
    """Return XMP as it stands in a picture: without a declaration of XML, between the marks of a packet."""
    content = re.sub(rb"^\s*<\?xml[^>]*\?>\s*", b"", content)
    return content if content.startswith(b"<?xpacket") else _BEGIN + content + _END


def _path(record: Record) -> Path:
    if not os.path.isfile(record.source):  # noqa: PTH113 - never raises, whatever the source says
        raise InputError("the picture is not a file of its own, so nothing can be written into it")
    return Path(record.source)
