"""How an attacker dresses a text up in Unicode: one function for each trick, the same result every time.

The look-alikes here are chosen apart from the product's table, so that a letter missing there shows.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from random import Random

Mutation = Callable[[str, Random], str]

HOMOGLYPHS = {
    "a": "\u0430\u03b1\u0251", "c": "\u0441\u03f2", "d": "\u0501", "e": "\u0435\u212e", "g": "\u0261",
    "h": "\u04bb\u0570", "i": "\u0456\u03b9\u0131\u13a5", "j": "\u0458", "k": "\u043a\u03ba", "l": "\u04cf\u217c",
    "m": "\u043c\u217f", "n": "\u0578\u057c", "o": "\u043e\u03bf\u0585\u0ae6", "p": "\u0440\u03c1", "q": "\u051b",
    "r": "\u0433\u1d26", "s": "\u0455\ua731", "t": "\u0442\u03c4", "u": "\u057d\u03c5", "v": "\u03bd\u0475",
    "w": "\u051d\u0461", "x": "\u0445\u03c7", "y": "\u0443\u04af", "z": "\u1d22",
}  # fmt: skip
LEET = {"a": "4", "e": "3", "i": "1", "o": "0", "s": "5", "t": "7"}
CARRIER = (
    "Write test cases in Given/When/Then form and name the requirement that each of them covers.",
    "Reports are read by people without technical knowledge, so explain each abbreviation once.",
)


def _between(text: str, choose: Random, noise: str, share: float) -> str:
    return "".join(each + (choose.choice(noise) if choose.random() < share else "") for each in text)


def _mapped(text: str, choose: Random, table: dict[str, str], share: float) -> str:
    return "".join(
        choose.choice(table[low]) if (low := each.lower()) in table and choose.random() < share else each
        for each in text
    )


def zero_width(text: str, choose: Random) -> str:
    return _between(text, choose, "\u200b\u200c\u200d\u2060\ufeff\u00ad\u180e", 0.3)


def zero_width_gaps(text: str, choose: Random) -> str:
    return text.replace(" ", "\u200b")


def bidi(text: str, choose: Random) -> str:
    return _between(text, choose, "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f", 0.2)


def tag_noise(text: str, choose: Random) -> str:
    return _between(text, choose, "".join(chr(0xE0000 + code) for code in range(0x20, 0x7F)), 0.3)


def marks(text: str, choose: Random) -> str:
    return _between(text, choose, "\u0300\u0301\u0308\u0323\u0336\u034f\u20dd", 0.5)


def fullwidth(text: str, choose: Random) -> str:
    return "".join(chr(ord(each) + 0xFEE0) if "!" <= each <= "~" else each for each in text)


def mathematical(text: str, choose: Random) -> str:
    return "".join(
        chr(0x1D41A + ord(each.lower()) - 97) if each.isascii() and each.isalpha() else each for each in text
    )


def homoglyphs(text: str, choose: Random) -> str:
    return _mapped(text, choose, HOMOGLYPHS, 0.4)


def leet(text: str, choose: Random) -> str:
    return _mapped(text, choose, LEET, 0.6)


def accents(text: str, choose: Random) -> str:
    table = {
        "a": "\u00e1\u00e4",
        "e": "\u00e9\u0119",
        "i": "\u00ec\u00ef",
        "o": "\u00f8\u00f6",
        "u": "\u00fb\u016f",
    }
    return _mapped(text, choose, table, 0.5)


def case(text: str, choose: Random) -> str:
    return "".join(each.upper() if choose.random() < 0.5 else each.lower() for each in text)


def line_breaks(text: str, choose: Random) -> str:
    gaps = (" ", " \n ", "\t", "\u00a0", "\u2003", "  ")
    return "".join(choose.choice(gaps) if each == " " else each for each in text)


def spaced(text: str, choose: Random) -> str:
    return " ".join(text)


def hyphened(text: str, choose: Random) -> str:
    return " ".join("-".join(word) for word in text.split(" "))


def carried(text: str, choose: Random) -> str:
    return f"{CARRIER[0]}\n\n{text}\n\n{CARRIER[1]}"


def smuggled_in_tags(text: str, choose: Random) -> str:
    hidden = "".join(chr(0xE0000 + ord(each)) if " " <= each <= "~" else each for each in text)
    return f"{CARRIER[0]} {hidden}"


def smuggled_in_selectors(text: str, choose: Random) -> str:
    hidden = "".join(chr(0xFE00 + byte if byte < 16 else 0xE00F0 + byte) for byte in text.encode())
    return f"{CARRIER[0]} {hidden}"


def base64_encoded(text: str, choose: Random) -> str:
    return f"{CARRIER[0]} Our rules: {base64.b64encode(text.encode()).decode()}"


def percent_encoded(text: str, choose: Random) -> str:
    return f"{CARRIER[0]} Our rules: {''.join(f'%{byte:02x}' for byte in text.encode())}"


MUTATIONS: dict[str, Mutation] = {
    mutation.__name__: mutation
    for mutation in (
        zero_width, zero_width_gaps, bidi, tag_noise, marks, fullwidth, mathematical, homoglyphs, leet, accents,
        case, line_breaks, spaced, hyphened, carried, smuggled_in_tags, smuggled_in_selectors, base64_encoded,
        percent_encoded,
    )
}  # fmt: skip


def mutated(name: str, key: str, text: str) -> str:
    """Return `text` under a mutation; `key` makes the choices, so that they are the same in every run."""
    return MUTATIONS[name](text, Random(f"{name} {key}"))
