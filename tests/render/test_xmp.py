"""XMP sidecars: what a person wrote stays, our own words are replaced, and hostile files are refused."""

from __future__ import annotations

import pytest

from catalens.core.errors import InputError
from catalens.render.xmp import XmpWords, is_ours, merged_xmp, read_xmp

WORDS = XmpWords(description="a red shirt & a <hat>", keywords=["red", "shirt"], alt_text="a shirt")

PERSON = b"""<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="5"
 xmlns:d="http://purl.org/dc/elements/1.1/" xmlns:crs="http://ns.adobe.com/camera-raw-settings/1.0/">
<d:description><rdf:Alt><rdf:li xml:lang="x-default">Grandma</rdf:li>
<rdf:li xml:lang="de">Oma</rdf:li></rdf:Alt></d:description>
<d:subject><rdf:Bag><rdf:li>family</rdf:li><rdf:li>red</rdf:li></rdf:Bag></d:subject>
<crs:Exposure>+0.35</crs:Exposure></rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end="w"?>"""


def test_a_new_file_says_it_all() -> None:
    content = merged_xmp(None, WORDS)
    assert read_xmp(content) == WORDS
    assert is_ours(content)
    assert b"Iptc4xmpCore:AltTextAccessibility" in content
    assert content.count(b"xmlns:dc=") >= 1


def test_what_a_person_wrote_stays() -> None:
    content = merged_xmp(PERSON, WORDS)
    found = read_xmp(content)
    assert found.description == "Grandma"
    assert list(found.keywords) == ["family", "red", "shirt"]
    assert found.alt_text == "a shirt"
    for kept in (b'xmp:Rating="5"', b"Oma", b"<crs:Exposure>+0.35</crs:Exposure>", b"xpacket begin"):
        assert kept in content
    assert not is_ours(PERSON)


def test_a_later_run_replaces_its_own_words_only() -> None:
    later = XmpWords(description="a blue hat", keywords=["blue"], alt_text="a hat")
    found = read_xmp(merged_xmp(merged_xmp(PERSON, WORDS), later))
    assert found.description == "Grandma"
    assert list(found.keywords) == ["family", "red", "blue"], "red was the person's, shirt was ours"
    assert found.alt_text == "a hat"
    assert read_xmp(merged_xmp(merged_xmp(None, WORDS), later)) == later


def test_the_same_words_again_change_nothing() -> None:
    once = merged_xmp(PERSON, WORDS)
    assert merged_xmp(once, WORDS) == once


def test_a_person_may_change_what_we_wrote() -> None:
    edited = merged_xmp(None, WORDS).replace(b"a red shirt", b"my best shirt", 1)
    assert read_xmp(merged_xmp(edited, XmpWords(description="a boat"))).description.startswith("my best shirt")


def test_a_description_as_an_attribute_stays() -> None:
    content = PERSON.replace(b'xmp:Rating="5"', b'xmp:Rating="5" d:description="Uncle"').split(b"<d:description>")
    content = [content[0] + content[1].split(b"</d:description>")[1]]
    found = merged_xmp(content[0], WORDS)
    assert b'd:description="Uncle"' in found
    assert b"a red shirt" not in found


def test_characters_that_xml_cannot_hold_are_left_out() -> None:
    assert read_xmp(merged_xmp(None, XmpWords(description="a\x00b\x0c c\ud800"))).description == "a b c"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'<!DOCTYPE x [<!ENTITY a "aaaa">]><x>&a;</x>', "document type"),
        (b"<x>", "not readable XML"),
        (b"\xff\xfe\x00", "not readable XML"),
        (b"<x/>", "no rdf:RDF"),
        (b"<x/>" + b" " * 10_000_001, "bytes"),
    ],
)
def test_what_is_not_xmp_is_refused(content: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        merged_xmp(content, WORDS)
