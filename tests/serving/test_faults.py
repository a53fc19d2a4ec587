"""What a model's failure is to a caller: worth another try, or not."""

import re
from collections.abc import Sequence
from typing import Any

import httpx
import pytest

from catalens.client import Client, Retries, ServerError
from catalens.core.errors import AnswerError, CatalensError, ModelError, UnavailableError
from catalens.models.readers.fake import FakeReader
from catalens.models.readers.registry import SHIPPED
from catalens.pipelines.stages import Picture, Stage, Values
from catalens.serving.worker import WorkerProcess
from tests.support.deeds import Deed, deed
from tests.support.serving import b64, listening, picture, serving

RED, BLUE = picture("red"), picture("blue")
QUICK = Retries(first_s=0.0, longest_s=0.0)
MARKED = r"the model failed; the log of the service says more at the mark \w{8}"


class Picky(FakeReader):
    """Fails where a batch holds something red, and counts the batches of red alone."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error, self.asked = error, 0

    def caption(self, encoded: Any, **how: Any) -> list[list[str]]:
        if "red" in encoded:
            self.asked += list(encoded) == ["red"]
            raise self.error
        return super().caption(encoded, **how)


FAILURES = [
    (RuntimeError("no"), MARKED, 500),
    (MemoryError("no"), MARKED, 500),
    (ModelError("caption.onnx failed"), "caption.onnx failed", 500),
    (AnswerError("it refused"), "it refused", 502),
    (UnavailableError("its server is busy"), "its server is busy", 503),
]


@pytest.mark.parametrize(("error", "said", "status"), FAILURES)
def test_only_what_may_pass_names_a_time_to_come_back(
    error: Exception, said: str, status: int, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(SHIPPED, "fake", lambda _threads, _cache: Picky(error))
    with serving() as client:
        alone = client.post("/v1/captions", json={"image": b64(RED)})
        bad, good = client.post("/v1/captions", json={"images": [b64(RED), b64(BLUE)]}).json()["results"]
    assert alone.status_code == alone.json()["status"] == bad["error"]["status"] == status
    assert re.fullmatch(said, alone.json()["detail"])
    assert re.fullmatch(said, bad["error"]["detail"])
    assert alone.headers.get("retry-after") == ("1" if status == 503 else None)
    assert "blue" in good["caption"]


@pytest.mark.parametrize(("error", "said", "status"), FAILURES)
def test_the_client_asks_again_only_where_another_answer_may_come(
    error: Exception, said: str, status: int, monkeypatch: pytest.MonkeyPatch
):
    picky = Picky(error)
    monkeypatch.setitem(SHIPPED, "fake", lambda _threads, _cache: picky)
    with (
        listening() as address,
        Client(address, retries=QUICK) as client,
        pytest.raises(ServerError, match=said) as failed,
    ):
        client.caption(RED)
    assert (failed.value.status, picky.asked) == (status, 1 if status == 500 else 4)


class Doing(WorkerProcess):
    """A worker process that does to the first picture of a batch what a test says."""

    what = ""
    batches = 0

    async def run(self, stage: Stage, pictures: Sequence[Picture]) -> Sequence[Values | CatalensError]:
        if not self.what:
            return await super().run(stage, pictures)
        type(self).batches += 1
        return await super().run(Deed(), [deed(self.what), *(deed("fine") for _ in pictures[1:])])


@pytest.mark.slow
@pytest.mark.parametrize(("what", "status", "times"), [("bad", 500, 1), ("quote", 500, 1), ("crash", 503, 4)])
def test_a_fault_in_a_worker_process_is_told_once_and_a_lost_worker_is_asked_again(
    what: str, status: int, times: int, monkeypatch: pytest.MonkeyPatch
):
    with listening(Doing) as address, Client(address, retries=QUICK) as client:
        monkeypatch.setattr(Doing, "what", what)
        monkeypatch.setattr(Doing, "batches", 0)
        with pytest.raises(ServerError, match=MARKED if status == 500 else "worker died") as failed:
            client.caption(RED)
        assert (failed.value.status, Doing.batches) == (status, times)
        response = httpx.post(f"{address}/v1/captions", json={"image": b64(RED)}, timeout=240)
    assert response.status_code == status
    assert response.headers.get("retry-after") == ("1" if status == 503 else None)
