"""A client of the node, to look behind the index."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.servers import Server


@pytest.fixture
def client(opensearch: Server) -> Iterator[Any]:
    from opensearchpy import OpenSearch

    with OpenSearch([opensearch.url]) as opened:
        yield opened
