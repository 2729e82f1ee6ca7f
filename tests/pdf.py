"""The text of a PDF as typst writes it, page by page: so much of the format as that takes."""

import re
import zlib
from collections.abc import Iterator, Mapping
from typing import Final

_OBJECT: Final = re.compile(rb"(\d+) 0 obj\n(.*?)\nendobj", re.DOTALL)
_MAPPED: Final = re.compile(rb"<([0-9A-F]{4})> <([0-9A-F]+)>")
_FONT: Final = re.compile(rb"/(f\d+) [\d.]+ Tf")
_ESCAPED: Final = re.compile(rb"\\([0-7]{1,3}|.)", re.DOTALL)
_LETTERS: Final = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f"}


def pages(pdf: bytes) -> list[str]:
    """Return the text of each page, a piece a line, in the order in which it is drawn.

    Spaces beside words that run from right to left are pieces of their own.
    """
    objects = {int(found[1]): found[2] for found in _OBJECT.finditer(pdf)}
    return ["\n".join(_shown(objects, page)) for page in objects.values() if b"/Type/Page/" in page]


def _shown(objects: Mapping[int, bytes], page: bytes) -> Iterator[str]:
    resources = objects[_reference(b"Resources", page)]
    fonts = {
        name: _letters(objects, objects[int(number)])
        for name, number in re.findall(rb"/(f\d+) (\d+) 0 R", resources)
    }
    content = _stream(objects[_reference(b"Contents", page)])
    for block in content.split(b"\nBT")[1:]:
        font = _FONT.search(block)
        assert font
        text = "".join(_text(fonts[font[1]], one) for one in _strings(block.split(b"\nET")[0]))
        # What runs from right to left is drawn the other way round.
        yield text[::-1] if b"/ReversedChars" in block else text


def _strings(block: bytes) -> Iterator[bytes]:
    """Yield what stands in parentheses, which may have parentheses inside."""
    depth = start = 0
    signs = re.finditer(rb"\\.|[()]", block, re.DOTALL)
    for sign in signs:
        if sign[0] == b"(":
            depth += 1
            start = sign.end() if depth == 1 else start
        elif sign[0] == b")":
            depth -= 1
            if depth == 0:
                yield block[start : sign.start()]


def _letters(objects: Mapping[int, bytes], font: bytes) -> dict[int, str]:
    """Return what the glyphs of a font stand for."""
    table = _stream(objects[_reference(b"ToUnicode", font)])
    return {
        int(glyph, 16): bytes.fromhex(letters.decode()).decode("utf-16-be")
        for glyph, letters in _MAPPED.findall(table)
    }


def _text(letters: Mapping[int, str], string: bytes) -> str:
    glyphs = _ESCAPED.sub(_unescaped, string)
    pairs = zip(glyphs[::2], glyphs[1::2], strict=True)
    return "".join(letters.get(high << 8 | low, "\N{REPLACEMENT CHARACTER}") for high, low in pairs)


def _unescaped(found: re.Match[bytes]) -> bytes:
    sign = found[1]
    return bytes([int(sign, 8)]) if sign.isdigit() else _LETTERS.get(sign, sign)


def _reference(name: bytes, value: bytes) -> int:
    found = re.search(rb"/" + name + rb" (\d+) 0 R", value)
    assert found, f"no {name.decode()}"
    return int(found[1])


def _stream(value: bytes) -> bytes:
    head, _, rest = value.partition(b"stream\n")
    body = rest.removesuffix(b"\nendstream")
    return zlib.decompress(body) if b"FlateDecode" in head else body
