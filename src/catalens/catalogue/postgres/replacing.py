"""A new table takes the name of an old one, in one transaction."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from catalens.catalogue.opening import open_index
from catalens.catalogue.postgres import table
from catalens.catalogue.postgres.address import Address, connect, parse_address
from catalens.catalogue.postgres.errors import errors_named
from catalens.catalogue.unfinished import check_unfinished, still_kept
from catalens.core.errors import CatalogueError

_WAIT_S = 30.0


class TableReplacement:
    """A table: the new one is NAME_new until the swap, and the old one NAME_old from then on."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._address = parse_address(uri)
        self._connection = connect(self._address, read_only=False, wait_s=_WAIT_S)

    @property
    def new(self) -> str:
        """Address of the new table."""
        parts = urlsplit(self._uri)
        query = {**dict(parse_qsl(parts.query, keep_blank_values=True)), "table": self._beside("new").table}
        return parts._replace(query=urlencode(query, quote_via=quote)).geturl()

    @property
    def old(self) -> str:
        """Address of the old table, without the password."""
        return self._beside("old").shown

    def prepare(self, encoder_name: str, dim: int) -> None:
        """Create the new table, or find the unfinished one."""
        with errors_named(self._address.shown):
            unfinished = table.read(self._connection, self._beside("new"))
        if unfinished is not None:
            new = self._beside("new").shown
            check_unfinished(new, unfinished.encoder_name, encoder_name, self._address.shown)
        if self.kept():
            raise still_kept(self.old, self._address.shown)
        open_index(self.new, encoder_name=encoder_name, dim=dim).close()

    def kept(self) -> bool:
        """Return whether there is an old table."""
        with errors_named(self._address.shown):
            return table.read(self._connection, self._beside("old")) is not None

    def swap(self, catch_up: Callable[[], None], *, drop_missing: bool) -> None:
        """Rename both tables, while nobody can write to the old one."""
        new, old = self._beside("new"), self._beside("old")
        with errors_named(self._address.shown), self._connection.transaction():
            table.lock_writers(self._connection, self._address)
            catch_up()
            with open_index(self._uri, read_only=True) as held, open_index(self.new, read_only=True) as fresh:
                missing = len(held) - len(fresh)
            if missing and not drop_missing:
                raise CatalogueError(f"{self._address.shown} stays as it is: {missing} records have no new vector")
            table.rename(self._connection, self._address, old)
            table.rename(self._connection, new, self._address)

    def drop(self) -> Sequence[str]:
        """Delete the old table and an unfinished new one."""
        found = []
        with errors_named(self._address.shown):
            for beside in (self._beside("old"), self._beside("new")):
                if table.read(self._connection, beside) is not None:
                    table.drop(self._connection, beside)
                    found.append(beside.shown)
        return found

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _beside(self, ending: str) -> Address:
        name = f"{self._address.table}_{ending}"
        return replace(self._address, table=name, shown=f"{self._address.shown}_{ending}")
