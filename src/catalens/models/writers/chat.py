"""A writer behind a chat completions server."""

from __future__ import annotations

from catalens.models.remote.chat import ChatClient


class ChatWriter:
    """A `Writer` over one model of one server."""

    def __init__(self, client: ChatClient) -> None:
        self.name = client.name
        self._client = client

    def write(self, system: str, instruction: str, *, max_tokens: int = 400) -> str:
        """Return the model's text, without reasoning.

        Raises:
            AnswerError: the model refused, was cut off, or returned no text, or the response is malformed.
            ModelError: the server cannot be reached, refuses the request, is busy, or does not answer in time.
        """
        messages = [{"role": "system", "content": system}, {"role": "user", "content": instruction}]
        (text,) = self._client.texts(messages, max_tokens=max_tokens, settings={})
        return text

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
