"""A new OpenSearch index takes the place of an old one behind an alias, in one request."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from catalens.catalogue.opensearch import existing
from catalens.catalogue.opensearch.address import connect, parse_address
from catalens.catalogue.opensearch.errors import errors_named
from catalens.catalogue.unfinished import check_unfinished, still_kept
from catalens.core.errors import CatalogueError

_BLOCK = "index.blocks.write"


class AliasReplacement:
    """An index or an alias: the new index is NAME-2, NAME-3 …, and NAME is an alias from then on.

    An alias is moved. An index whose own name is the address is cloned first (files are linked, not copied), since a
    name cannot be both; the clone is what is kept. The old index stays closed for writing.
    """

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._address = parse_address(uri)
        self._client = connect(self._address)
        with errors_named(self._address.shown):
            found = existing.read(self._client, self._address)
        if found is None:
            raise CatalogueError(f"there is no index {self._address.shown} yet; add pictures to make it")
        self._facts = found
        self._new = self._old = ""

    @property
    def new(self) -> str:
        """Address of the new index."""
        parts = urlsplit(self._uri)
        given = {**self._facts.settings, **dict(parse_qsl(parts.query, keep_blank_values=True))}
        query = urlencode(given, quote_via=quote)
        return parts._replace(path=f"/{self._new}", query=query).geturl()

    @property
    def old(self) -> str:
        """Name of the old index."""
        return self._old

    def prepare(self, encoder_name: str, dim: int) -> None:
        """Create the new index, or find the unfinished one."""
        with errors_named(self._address.shown):
            if self.kept():
                raise still_kept(self._old, self._address.shown)
            for name, note in self._beside().items():
                check_unfinished(name, note["encoder"], encoder_name, self._address.shown)
                self._new, self._old = name, note["replaces"]["kept"]
            if not self._new:
                taken = set(self._client.indices.get(index=f"{self._address.index}-*"))
                names = (f"{self._address.index}-{number}" for number in range(1, 10**6))
                free = (name for name in names if name not in taken)
                self._old = self._facts.index if self._is_alias else next(free)
                self._new = next(free)
                replaces = {"name": self._address.index, "kept": self._old}
                existing.create(self._client, parse_address(self.new), encoder_name, dim, replaces=replaces)

    def kept(self) -> bool:
        """Return whether an old index is kept."""
        self._old = self._facts.replaces.get("kept", "")
        with errors_named(self._address.shown):
            return bool(self._old) and bool(self._client.indices.exists(index=self._old))

    def swap(self, catch_up: Callable[[], None], *, drop_missing: bool) -> None:
        """Move the alias, while nobody can write to the old index."""
        now, name = self._facts.index, self._address.index
        with errors_named(self._address.shown):
            self._block(now, writing=False)
            try:
                catch_up()
                self._check_complete(now, drop_missing=drop_missing)
                if self._is_alias:
                    leave: dict[str, Any] = {"remove": {"index": now, "alias": name}}
                else:
                    self._clone(now)
                    leave = {"remove_index": {"index": now}}
                actions = [leave, {"add": {"index": self._new, "alias": name}}]
                self._client.indices.update_aliases(body={"actions": actions})
            except BaseException:
                with suppress(Exception):  # what stopped the swap matters more
                    self._block(now, writing=True)
                raise

    def drop(self) -> Sequence[str]:
        """Delete the old index and an unfinished new one, and allow writing to the one in use."""
        with errors_named(self._address.shown):
            found = [self._old] if self.kept() else []
            found += self._beside()
            for name in found:
                self._client.indices.delete(index=name)
            self._block(self._facts.index, writing=True)
        return found

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    @property
    def _is_alias(self) -> bool:
        return self._facts.index != self._address.index

    def _beside(self) -> Mapping[str, Any]:
        """Return what unfinished new indexes say of themselves, by name."""
        found = self._client.indices.get(index=f"{self._address.index}-*")
        notes = {name: facts["mappings"].get("_meta", {}).get("catalens", {}) for name, facts in found.items()}
        return {
            name: note
            for name, note in notes.items()
            if note.get("replaces", {}).get("name") == self._address.index
            and name != self._facts.index
            and name != self._facts.replaces.get("kept")
        }

    def _block(self, index: str, *, writing: bool) -> None:
        self._client.indices.put_settings(index=index, body={_BLOCK: None if writing else True})

    def _check_complete(self, now: str, *, drop_missing: bool) -> None:
        self._client.indices.refresh(index=f"{now},{self._new}")
        held, fresh = (self._client.count(index=name)["count"] for name in (now, self._new))
        if held > fresh and not drop_missing:
            raise CatalogueError(f"{self._address.shown} stays as it is: {held - fresh} records have no new vector")

    def _clone(self, now: str) -> None:
        """Clone the old index, once more if an earlier clone may be incomplete."""
        found = self._client.indices.get(index=self._old, ignore_unavailable=True)
        for name, facts in found.items():
            origin = facts["settings"]["index"].get("resize", {}).get("source", {}).get("name")
            if origin != now:
                raise CatalogueError(f"{name} is in the way, and is not a copy of {now}; delete it, and begin again")
            self._client.indices.delete(index=name)
        done = self._client.indices.clone(index=now, target=self._old, request_timeout=120)
        if not done["shards_acknowledged"]:
            raise CatalogueError(f"{now} is still being copied to {self._old}; give the same command again")
