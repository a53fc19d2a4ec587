"""XMP sidecar files: description, keywords and alternative text of a picture, merged with what a person wrote.

What we write is noted in a namespace of our own, so that a later run replaces its own words and nobody else's.

Source:
    Adobe, "XMP Specification Part 1" (ISO 16684-1) and Part 3 (sidecar files); IPTC Photo Metadata Standard 2021.1,
    section "Alt Text (Accessibility)". dc:description and the alternative text are language alternatives with
    "x-default" first; dc:subject is a bag.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias
from xml.dom import minidom
from xml.parsers import expat

from catalens.core.errors import InputError

_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_DC = "http://purl.org/dc/elements/1.1/"
_IPTC = "http://iptc.org/std/Iptc4xmpCore/1.0/xmlns/"
_OURS = "urn:catalens:xmp:1"
_XML = "http://www.w3.org/XML/1998/namespace"
_XMLNS = "http://www.w3.org/2000/xmlns/"
_PREFIXES = {_RDF: "rdf", _DC: "dc", _IPTC: "Iptc4xmpCore", _OURS: "catalens"}
_DESCRIPTION, _SUBJECT, _ALT_TEXT = (_DC, "description"), (_DC, "subject"), (_IPTC, "AltTextAccessibility")
_ILLEGAL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_MAX_BYTES = 10_000_000
_EMPTY = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="catalens">'
    f'<rdf:RDF xmlns:rdf="{_RDF}"><rdf:Description rdf:about=""/></rdf:RDF></x:xmpmeta>'
)

Name: TypeAlias = tuple[str, str]
Node: TypeAlias = Any
"""A node of minidom, whose types leave open what a tree of elements cannot lack."""


@dataclass(frozen=True, slots=True, kw_only=True)
class XmpWords:
    """What a sidecar says of a picture; empty says nothing."""

    description: str = ""
    keywords: Sequence[str] = ()
    alt_text: str = ""


def is_ours(content: bytes) -> bool:
    """Return whether a sidecar holds words that `merged_xmp` wrote."""
    return _OURS.encode() in content


def merged_xmp(content: bytes | None, words: XmpWords) -> bytes:
    """Return a sidecar with our words; what a person wrote stays.

    A description or alternative text that is not ours is kept as it is. Our keywords are added to the others; those of
    an earlier run are removed. Everything else in the file is kept.

    Args:
        content: of the file that is there; None makes a new one.
        words: to write.

    Raises:
        InputError: the content is not XMP, is too large, or declares entities.
    """
    document = _parsed(content if content is not None else _EMPTY.encode())
    for name, text in ((_DESCRIPTION, words.description), (_ALT_TEXT, words.alt_text)):
        _put_text(document, name, text)
    _put_keywords(document, list(dict.fromkeys(word for word in map(_legal, words.keywords) if word)))
    return bytes(document.toxml(encoding="utf-8")) + b"\n"


def read_xmp(content: bytes) -> XmpWords:
    """Return the words of a sidecar, whoever wrote them.

    Raises:
        InputError: as for `merged_xmp`.
    """
    document = _parsed(content)
    description, alt_text = (" ".join(_texts(document, name)[:1]) for name in (_DESCRIPTION, _ALT_TEXT))
    return XmpWords(description=description, keywords=_texts(document, _SUBJECT), alt_text=alt_text)


def _parsed(content: bytes) -> Node:
    if len(content) > _MAX_BYTES:
        raise InputError(f"the XMP file has {len(content):,} bytes; at most {_MAX_BYTES:,} are read")
    try:
        _refuse_entities(content)
        document = minidom.parseString(content)
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise InputError(f"the XMP file is not readable XML ({error}); repair it, or move it away") from error
    if not document.getElementsByTagNameNS(_RDF, "RDF"):
        raise InputError("the XMP file has no rdf:RDF; repair it, or move it away")
    return document


def _refuse_entities(content: bytes) -> None:
    """Refuse a document type: XMP has none, and entities can grow without bound."""

    def refuse(*_: object) -> None:
        raise ValueError("it declares a document type, which XMP does not have")

    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = refuse
    parser.Parse(content, True)  # noqa: FBT003 - expat takes it by position only


def _put_text(document: Node, name: Name, text: str) -> None:
    """Write a text as a language alternative, unless a person wrote one; note it as ours."""
    now, ours = _texts(document, name), _texts(document, (_OURS, name[1]))
    if (now and now != ours) or _as_attribute(document, name):
        return
    lines = [_legal(text)] if _legal(text) else []
    _put_list(document, name, "Alt", lines)
    _put_list(document, (_OURS, name[1]), "Alt", lines)


def _put_keywords(document: Node, keywords: Sequence[str]) -> None:
    ours = set(_texts(document, (_OURS, "subject")))
    theirs = [word for word in _texts(document, _SUBJECT) if word not in ours]
    added = [word for word in keywords if word not in theirs]
    _put_list(document, _SUBJECT, "Bag", [*theirs, *added])
    _put_list(document, (_OURS, "subject"), "Bag", added)


def _put_list(document: Node, name: Name, kind: str, texts: Sequence[str]) -> None:
    old = _elements(document, name)
    if _texts(document, name) == list(texts):
        return
    home = old[0].parentNode if old else _description(document)
    for element in old:
        element.parentNode.removeChild(element)
    if not texts:
        return
    property_ = _element(document, home, name)
    collection = _element(document, property_, (_RDF, kind))
    for text in texts:
        item = _element(document, collection, (_RDF, "li"))
        if kind == "Alt":
            item.setAttributeNS(_XML, "xml:lang", "x-default")
        item.appendChild(document.createTextNode(text))


def _description(document: Node) -> Node:
    rdf = document.getElementsByTagNameNS(_RDF, "RDF")[0]
    found = [each for each in rdf.childNodes if getattr(each, "localName", None) == "Description"]
    if found:
        return found[0]
    made = _element(document, rdf, (_RDF, "Description"))
    made.setAttributeNS(_RDF, f"{_prefix(made, _RDF)}:about", "")
    return made


def _element(document: Node, parent: Node, name: Name) -> Node:
    space, local = name
    made = document.createElementNS(space, local)
    parent.appendChild(made)
    prefix = _prefix(made, space)
    made.tagName = made.nodeName = f"{prefix}:{local}"
    made.prefix = prefix
    return made


def _prefix(element: Node, space: str) -> str:
    """Return the prefix that a namespace has here; declare the usual one if it has none."""
    node = element
    while node is not None and node.nodeType == node.ELEMENT_NODE:
        for at in range(node.attributes.length):
            attribute = node.attributes.item(at)
            if attribute.name.startswith("xmlns:") and attribute.value == space:
                return str(attribute.name.removeprefix("xmlns:"))
        node = node.parentNode
    element.setAttributeNS(_XMLNS, f"xmlns:{_PREFIXES[space]}", space)
    return _PREFIXES[space]


def _elements(document: Node, name: Name) -> list[Node]:
    return [
        each
        for each in document.getElementsByTagNameNS(*name)
        if each.parentNode.namespaceURI == _RDF and each.parentNode.localName == "Description"
    ]


def _texts(document: Node, name: Name) -> list[str]:
    items = [item for each in _elements(document, name) for item in each.getElementsByTagNameNS(_RDF, "li")]
    texts = ["".join(node.data for node in item.childNodes if node.nodeType == node.TEXT_NODE) for item in items]
    return [text for text in texts if text.strip()]


def _as_attribute(document: Node, name: Name) -> bool:
    return any(each.hasAttributeNS(*name) for each in document.getElementsByTagNameNS(_RDF, "Description"))


def _legal(text: str) -> str:
    """Return a text without the characters that XML cannot hold, and with single spaces."""
    return " ".join(_ILLEGAL.sub(" ", text).split())
