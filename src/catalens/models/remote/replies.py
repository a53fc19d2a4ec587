"""Reads the choices of a chat completion: text without reasoning, refusals, and texts that were cut off."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from catalens.core.json_text import parse_json

_CUT = frozenset({"length", "max_tokens", "max_output_tokens", "model_length"})
"""Finish reasons of a text that ended at the token limit."""
_NAME = "(?:seed:)?(?:think|thinking|thought|reasoning)"
_OPENED, _CLOSED = (rf"(?:<{slash}{_NAME}>|◁{slash}{_NAME}▷|\[{slash}{_NAME}\])" for slash in ("", "/"))
"""Tags around reasoning: `<think>` of most models, `◁think▷` of Kimi-VL, `[THINK]` of Magistral."""
_WHOLE = re.compile(rf"(?is){_OPENED}.*?{_CLOSED}|<\|channel>\s*thought.*?<channel\|>")
_BEFORE_END = re.compile(rf"(?is)^.*{_CLOSED}")
"""Templates that open the reasoning within the prompt leave the closing tag alone in the reply."""
_UNCLOSED = re.compile(rf"(?is)(?:{_OPENED}|<\|channel\|>\s*analysis|<\|channel>\s*thought).*$")
_FINAL = re.compile(r"(?s)^(?:.*<\|channel\|>\s*final\s*<\|message\|>|analysis.*assistantfinal)")
"""gpt-oss writes its reasoning and its text into channels, whose marks some servers drop; Gemma 4 has its own marks."""
_REFUSAL = re.compile(
    r"""(?ix)^(?:(?:i['’]?m|i\ am)\ (?:so\ )?sorry|sorry|i\ apologi[sz]e|unfortunately)?[,.;!]?\s*(?:but\ )?
    (?:as\ an\ ai[^,.]{0,40},\s*)?
    i(?:\ (?:can(?:not|['’]?t)|am\ (?:unable|not\ able)\ to|won['’]?t|will\ not)|['’]m\ (?:unable|not\ able)\ to)\s+
    (?:(?:assist|help|comply|provide|fulfil|fulfill)\b
       |(?:see|view|access|process|analy[sz]e|describe|identify)\s+(?:the\ |any\ |this\ |that\ |your\ )?
        (?:image|picture|photo|person|people)s?\b)
    |^(?:(?:i['’]?m|i\ am)\ (?:so\ |very\ )?)?sorry[,.;!]?\s*(?:but\ )?
     i(?:\ (?:can(?:not|['’]?t)|am\ (?:unable|not\ able)\ to)|['’]m\ (?:unable|not\ able)\ to)\b""",
)
_LEAD_IN = re.compile(
    r"""(?ix)^(?:(?:sure|certainly|of\ course|absolutely|okay|ok|great)(?:\ thing)?[!.,]+\s*)?
    (?:(?:here(?:['’]s|\ is|\ are)|this\ is|the\ following\ is)\b[^:\n]{0,80}:\s*
       |(?:the\ )?(?:image\ |picture\ )?(?:caption|description|answer)\s*:\s*)""",
)
_AGREEMENT = re.compile(r"(?i)^(?:sure|certainly|of course|absolutely|okay|ok)(?: thing)?[!.]+\s+")
_TITLE = re.compile(
    r"(?i)^(?:#{1,6}[ \t]*|\*\*|__)(?:image |picture )?(?:caption|description|answer)(?:\*\*|__)?:?[ \t]*\n+"
)
_WRAPPED = re.compile(r"(?is)^<(answer|final_answer|caption|description|output|response)>(.*?)(?:</\1>)?$")
_CLOSING = re.compile(
    r"""(?ix)(?<=[.!?"”*`])\s+(?:let\ me\ know\ if|i\ hope\ (?:this|that)\ helps|feel\ free\ to\ (?:ask|reach)
    |would\ you\ like\ me\ to|is\ there\ anything\ else)\b[^\n]*$"""
)
"""What assistants say after the text."""
_FENCE = re.compile(r"(?s)^```[\w-]*\n(.*?)\n?```$")
_HEADING = re.compile(r"(?m)^(?:#{1,6}|[-*•])\s+")
_OPTIONS = re.compile(r"(?s)^1[.)]\s+(.+?)\s*\n\s*2[.)]\s.*$")
"""Several texts where one was asked for."""
_BOLD = re.compile(r"(?s)(\*\*|__|(?<!\w)[*_](?=\S))(.+?)\1(?!\w)")
_QUOTES = {'"': '"', "'": "'", "“": "”", "„": "“", "«": "»"}


@dataclass(frozen=True, slots=True)
class Choice:
    """One choice of a chat completion.

    Attributes:
        text: without reasoning; empty where there is none.
        refusal: why the model refused, in its words; None if it did not.
        is_cut: the text, or the reasoning before it, ended at the token limit.
        reason: the finish reason.
        logprobs: as the server sent them.
    """

    text: str
    refusal: str | None
    is_cut: bool
    reason: str | None
    logprobs: Any = None


def read_choice(raw: object) -> Choice:
    """Read a choice.

    Raises:
        ValueError: it has no message.
    """
    message = raw.get("message") if isinstance(raw, Mapping) else None
    if not isinstance(raw, Mapping) or not isinstance(message, Mapping):
        raise ValueError("a choice has no message")
    reason = raw.get("finish_reason")
    whole = _content(message.get("content"))
    text = without_reasoning(whole)
    refusal = message.get("refusal")
    if refusal is None and reason == "content_filter":
        refusal = text or "finish reason 'content_filter'"
    if refusal is None and _REFUSAL.match(text):
        refusal = text
    refused = None if refusal is None else str(refusal).strip()
    is_cut = str(reason).lower() in _CUT or (not text and _UNCLOSED.search(whole) is not None)
    return Choice(text, refused, is_cut, reason, raw.get("logprobs"))


def without_reasoning(text: str) -> str:
    """Return a text without its reasoning, whole or cut off.

    >>> [without_reasoning(text) for text in ("<think>A cat?</think> A cat.", "hm</think>A cat.", "<think>A")]
    ['A cat.', 'A cat.', '']
    """
    return _UNCLOSED.sub("", _BEFORE_END.sub("", _WHOLE.sub("", _FINAL.sub("", text)))).strip()


def plain_reply(text: str) -> str:
    r"""Return a caption or answer without markdown, lead-ins and surrounding quotes.

    >>> plain_reply('Sure! Here is a caption:\n\n**"A red *knitted* hat."**')
    'A red knitted hat.'
    >>> plain_reply("Sure.")
    'Sure.'
    >>> plain_reply("Here are two options:\n1. A red hat.\n2. A knitted hat.")
    'A red hat.'
    >>> plain_reply('{"caption": "A red hat."}')
    'A red hat.'
    """
    plain = text.strip()
    for _ in range(3):  # quotes within bold, a lead-in within a code fence
        before = plain
        plain = _WRAPPED.sub(r"\2", _CLOSING.sub("", plain)).strip()
        plain = _HEADING.sub("", _OPTIONS.sub(r"\1", _TITLE.sub("", _FENCE.sub(r"\1", plain)))).strip()
        plain = _BOLD.sub(r"\2", plain)
        plain = _AGREEMENT.sub("", _LEAD_IN.sub("", plain)).strip() or before
        if len(plain) > 1 and _QUOTES.get(plain[0]) == plain[-1] and plain[-1] not in plain[1:-1]:
            plain = plain[1:-1].strip() or before
        if plain == before:
            break
    return _in_object(plain)


def _in_object(text: str) -> str:
    """Return the text in a JSON object that holds one, as models write that were asked for JSON; any other as it is."""
    if not text.startswith("{"):
        return text
    try:
        found = [value for value in parse_json(text).values() if isinstance(value, str) and value.strip()]
    except ValueError:
        return text
    return found[0].strip() if len(found) == 1 else text


def error_message(value: object) -> str | None:
    """Return the message of a server's error object, in any of the usual shapes; None if it is not an error."""
    if not isinstance(value, Mapping):
        return None
    for key in ("error", "message", "detail", "errors"):
        found = value.get(key)
        several = found if isinstance(found, list) else [found]
        if said := "; ".join(str(text).strip() for each in several if (text := _error_in(each))):
            return said
    return None


def _error_in(value: object) -> object:
    if not isinstance(value, Mapping):
        return value
    said = value.get("message") or value.get("detail") or value.get("msg") or value.get("code")
    where = value.get("loc")  # FastAPI names the field
    return f"{'.'.join(map(str, where))}: {said}" if isinstance(where, list) else said


def page_title(text: str) -> str | None:
    """Return the title of an HTML page, such as a proxy's or a login's; None if the text is no page.

    >>> page_title("<html><head><title>502 Bad Gateway</title></head></html>")
    '502 Bad Gateway'
    """
    if not re.match(r"(?i)\s*<(?:!doctype html|html)\b", text):
        return None
    found = re.search(r"(?is)<title[^>]*>(.*?)</title>", text)
    return " ".join(found[1].split()) if found else "no title"


def join_stream(text: str) -> object:
    """Return the chat completion that events sent piece by piece make up, as servers answer that always stream.

    Raises:
        ValueError: the text is no stream of events with JSON.
    """
    lines = (line.removeprefix("data:").strip() for line in text.splitlines() if line.startswith("data:"))
    events = [event for line in lines if line != "[DONE]" and isinstance(event := parse_json(line), Mapping)]
    if not events:
        raise ValueError("no events with data")
    choices: dict[object, dict[str, Any]] = {}
    for event in events:
        if not isinstance(pieces := event.get("choices"), list):
            if error_message(event):
                return event
            continue  # a ping, or the usage at the end
        for piece in pieces:
            if isinstance(piece, Mapping) and isinstance(delta := piece.get("delta"), Mapping):
                choice = choices.setdefault(piece.get("index"), {"message": {"content": ""}, "finish_reason": None})
                choice["message"]["content"] += _content(delta.get("content"))
                choice["finish_reason"] = piece.get("finish_reason") or choice["finish_reason"]
    return {"choices": list(choices.values())}


def _content(content: object) -> str:
    """Return a message's content: a text, or a list of parts of which some are texts."""
    if isinstance(content, list):
        return "".join(_part(part) for part in content)
    return content if isinstance(content, str) else ""


def _part(part: object) -> str:
    if isinstance(part, str):
        return part
    if isinstance(part, Mapping) and part.get("type") in {"text", "output_text", None}:
        return str(part.get("text") or "")
    return ""
