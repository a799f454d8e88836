"""Readings of a text: what a model may take it for, however it is dressed up in Unicode.

One text has several readings: as it is printed, as bare words, with look-alike letters taken for Latin ones, with
spaced-out letters joined. Every character of a reading knows where in the text it came from. All of it is linear
in the length of the text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from tenants.prompts.confusables import ALIKE, LATIN, LEET

#: Marks that follow a letter and are judged with it; more than these on one letter are noise.
MOST_MARKS = 4
#: Longest text that one character may become (a ligature of Arabic becomes 18 letters).
MOST_LETTERS = 8
#: Spaced-out letters in a row from which they are read as a word.
FEWEST_SPACED = 6
#: Words with digits in them from which plain numbers are read as words, too.
FEWEST_MIXED = 3

_SENTENCE_END = re.compile(r"[.!?;](?=\s|$)")
_LONELY_QUOTE = re.compile(r"(?<!\w)'|'(?!\w)")
_TOKEN = re.compile(r"\S+")


@dataclass(frozen=True, slots=True)
class Reading:
    """A text as it may be read: `at[i]` is the place in the original of the i-th character of `text`."""

    kind: str
    text: str
    at: list[int]

    def place(self, start: int, end: int) -> tuple[int, int]:
        """Return the span of the original that was read as `text[start:end]`."""
        first, last = self.at[start], self.at[end - 1]
        return min(first, last), max(first, last) + 1


def readings(kind: str, pieces: Iterable[tuple[int, str]]) -> Iterator[Reading]:
    """Yield the readings of a text that is given as its characters with their places, each different one once."""
    known = list(pieces)
    plain = _folded(kind, known, invisible="")
    yield plain
    words = _bare(f"{kind} words", plain)
    yield words
    parted = _folded(kind, known, invisible=" ")
    if len(parted.text) != len(plain.text):
        yield _bare(f"{kind} words, parted", parted)
    look = _alike(plain)
    bare = _bare("", look)
    if look.text != plain.text:
        yield look
        yield Reading(f"{kind} words, look-alikes", bare.text, bare.at)
    for joined in (
        _joined(f"{kind} letters, joined", words),
        *([_joined(f"{kind} look-alikes, joined", bare)] if bare.text != words.text else []),
        _closed(f"{kind} signs, joined", look),
    ):
        if joined.text:
            yield joined


def pieces(text: str) -> Iterator[tuple[int, str]]:
    """Yield the letters of a text with their marks, each with its place."""
    if _any_mark().search(text) is None:
        yield from enumerate(text)
        return
    for match in _letter_and_marks().finditer(text):
        yield match.start(), match.group()[: 1 + MOST_MARKS]


def printed(text: str) -> Iterator[tuple[int, str]]:
    """Yield what is printed of a text, in compatible form and with its case: what could be decoded."""
    for place, piece in pieces(text):
        if _folds[piece]:
            for letter in unicodedata.normalize("NFKC", piece[0])[:MOST_LETTERS]:
                yield place, letter


def visible(text: str) -> int:
    """Return how many characters of `text` can be seen, white space at its ends left out."""
    return sum(1 for each in text.strip() if _fold(each))


def fold_letters(pattern: str) -> str:
    """Return a pattern whose letters beyond ASCII are written as readings write them."""
    composed = unicodedata.normalize("NFC", pattern)
    return "".join(each if each.isascii() else _fold(each) for each in composed)


class _Table(dict[str, str]):
    """Remembers what each letter becomes; emptied when somebody sends all of Unicode."""

    def __missing__(self, piece: str) -> str:
        if len(self) > 20_000:
            self.clear()
        self[piece] = folded = _folded_piece(piece)
        return folded


_folds = _Table()


def _fold(piece: str) -> str:
    return _folds[piece]


def _folded_piece(piece: str) -> str:
    """Return one letter with its marks in compatible form, without case, noise and invisible parts."""
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", piece).casefold())
    return "".join(_folded_letter(letter) for letter in text)[:MOST_LETTERS]


def _folded_letter(letter: str) -> str:
    if letter in LATIN:
        return LATIN[letter]
    if letter.isspace() or letter == "\u2800":
        return "\n" if letter in "\n\v\f\r\x1c\x1d\x1e\x85\u2028\u2029" else " "
    if _is_invisible(letter) or _is_noise(letter):
        return ""
    if letter.isdecimal():
        return str(unicodedata.decimal(letter))
    base = unicodedata.normalize("NFD", letter)[0]
    if base != letter and unicodedata.name(base, "").startswith(("LATIN", "CYRILLIC", "GREEK")):
        return LATIN.get(base, base)
    return _SIGNS.get(letter, letter)


_SIGNS = {
    **dict.fromkeys("\u2018\u2019\u201a\u201b\u02bc\u02b9\u00b4`", "'"),
    **dict.fromkeys("\u201c\u201d\u201e\u201f\u00ab\u00bb", '"'),
    **dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"),
    "\u3002": ".", "\u0964": ".", "\u061b": ";", "\u061f": "?",
}  # fmt: skip


def _is_invisible(letter: str) -> bool:
    """Tell whether nothing is printed for a character: controls, zero width, direction, tags, selectors, fillers."""
    code = ord(letter)
    return (
        unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Co", "Cn")
        or 0xFE00 <= code <= 0xFE0F
        or 0xE0100 <= code <= 0xE01EF
        or code in (0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x180B, 0x180C, 0x180D, 0x3164)
    )


def _is_noise(letter: str) -> bool:
    """Tell whether a character is a mark that no alphabet needs by itself (those of real letters are composed)."""
    code = ord(letter)
    blocks = ((0x0300, 0x036F), (0x1AB0, 0x1AFF), (0x1DC0, 0x1DFF), (0x20D0, 0x20FF), (0xFE20, 0xFE2F))
    return any(first <= code <= last for first, last in blocks)


def _folded(kind: str, known: Iterable[tuple[int, str]], *, invisible: str) -> Reading:
    """Return the text folded, with white space collapsed; line ends stay what they are."""
    letters: list[str] = []
    at: list[int] = []
    for place, piece in known:
        for letter in _folds[piece] or invisible:
            if letter not in " \n" or (letters and letters[-1] not in " \n"):
                letters.append(letter)
                at.append(place)
            elif letters and letter == "\n":
                letters[-1] = "\n"
    return Reading(kind, "".join(letters), at)


def _bare(kind: str, plain: Reading) -> Reading:
    """Return the words alone: signs and line ends become single spaces, the ends of sentences stay."""
    text = _SENTENCE_END.sub("\0", plain.text).translate(_spaces)
    return _squeezed(Reading(kind, _LONELY_QUOTE.sub(" ", text).replace("\0", "."), plain.at))


def _squeezed(reading: Reading) -> Reading:
    """Return the reading with one space between words and none before the end of a sentence."""
    found = list(_TOKEN.finditer(reading.text))
    words: list[str] = []
    at: list[int] = []
    for match in found:
        word = match.group()
        if at and not word.startswith("."):
            words.append(" ")
            at.append(reading.at[match.start() - 1])
        words.append(word)
        at.extend(reading.at[match.start() : match.end()])
    return Reading(reading.kind, "".join(words), at)


class _Spaces(dict[int, str]):
    """Maps signs to spaces, one for one, so that places stay right; letters, digits and their marks stay."""

    def __missing__(self, code: int) -> str:
        if len(self) > 20_000:
            self.clear()
        letter = chr(code)
        keep = letter in "'\0" or letter.isalnum() or unicodedata.category(letter) in ("Mn", "Mc")
        self[code] = kept = letter if keep else " "
        return kept


_spaces = _Spaces()


def _alike(plain: Reading) -> Reading:
    """Return the reading with look-alikes as Latin letters, and digits as the letters they stand for in words."""
    text = plain.text.translate(_LATIN_FORMS)
    habit = sum(1 for match in _TOKEN.finditer(text) if _mixes(match[0])) >= FEWEST_MIXED
    text = _TOKEN.sub(lambda match: _unleet(match[0], habit), text)
    return Reading(f"{plain.kind}, look-alikes", text, plain.at)


_LATIN_FORMS = {ord(seen): meant for seen, meant in ALIKE.items()}


def _mixes(token: str) -> bool:
    return any(sign in LEET for sign in token) and any(letter.isalpha() for letter in token)


def _unleet(token: str, habit: bool) -> str:
    """Return a word with its digits as letters; a number only in a text that has the habit."""
    if not _mixes(token) and not (habit and token.isdecimal()):
        return token
    return "".join(LEET.get(letter, letter) for letter in token.replace("11", "ll"))


def _joined(kind: str, words: Reading) -> Reading:
    """Return the spaced-out letters of a text as words, each run of them on a line of its own."""
    letters: list[str] = []
    at: list[int] = []
    run: list[int] = []

    def close() -> None:
        if len(run) >= FEWEST_SPACED:
            if letters:
                letters.append("\n")
                at.append(words.at[run[0]])
            letters.extend(words.text[place] for place in run)
            at.extend(words.at[place] for place in run)
        run.clear()

    for match in _TOKEN.finditer(words.text):
        word = match.group().rstrip(".")
        if len(word) != 1:
            close()
        else:
            run.append(match.start())
    close()
    return Reading(kind, "".join(letters), at)


def _closed(kind: str, plain: Reading) -> Reading:
    """Return a text without its spaces where most of its letters and signs stand alone."""
    tokens = [len(match[0]) for match in _TOKEN.finditer(plain.text)]
    if tokens.count(1) < max(2 * FEWEST_SPACED, len(tokens) // 2):
        return Reading(kind, "", [])
    kept = [place for place, letter in enumerate(plain.text) if letter != " "]
    return Reading(kind, "".join(plain.text[place] for place in kept), [plain.at[place] for place in kept])


_marks: list[re.Pattern[str]] = []


def _compile_marks() -> list[re.Pattern[str]]:
    """Return the patterns for any mark and for a letter with its marks; jamo of Korean syllables count as marks."""
    if not _marks:
        found = [code for code in range(0x20000) if unicodedata.combining(chr(code))]
        found += [*range(0x1160, 0x1200)]
        members = "".join(re.escape(chr(code)) for code in found)
        _marks.extend([re.compile(f"[{members}]"), re.compile(f"(?s:.)[{members}]*")])
    return _marks


def _any_mark() -> re.Pattern[str]:
    return _compile_marks()[0]


def _letter_and_marks() -> re.Pattern[str]:
    return _compile_marks()[1]
