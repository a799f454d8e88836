"""Letters that look like Latin ones, and digits that stand for letters: a small table, kept by hand.

It holds what renders alike in common fonts after case is folded, not every pair of the Unicode list: a large list
turns ordinary words of other scripts into Latin ones.
"""

from __future__ import annotations

#: Latin letters that keep their form under decomposition.
LATIN = {
    "ø": "o", "ł": "l", "đ": "d", "ħ": "h", "ŧ": "t", "ı": "i", "ȷ": "j", "ƀ": "b", "ɨ": "i", "ʉ": "u", "ɫ": "l",
    "æ": "ae", "œ": "oe", "ð": "d", "þ": "th", "ŋ": "n", "ƒ": "f", "ɓ": "b", "ɗ": "d", "ƙ": "k", "ɲ": "n",
}  # fmt: skip

_ALIKE = (
    ("авекмнорстухіѕјԁԛԝһӏгпьүөғқңҳҫѡѵєԑҽ", "abekmhopctyxisjdqwhlrnbyofknhcwveee"),  # Cyrillic
    ("αβεζηικμνορτυχωσγδϲϳλπθ", "abeznikuvoptuxwoydcjlno"),  # Greek
    ("օսհոցյգքռղզաւ", "ouhngjqpnnqwl"),  # Armenian
    (
        "ɑɡɩʀɪɴʙʜʟʏꜰᴀᴄᴅᴇɢᴊᴋᴍᴏᴘꜱᴛᴜᴠᴡᴢɛɔəǝɐɹʇɯʌ",
        "agirinbhlyfacdegjkmopstuvwzeoeeartmv",
    ),  # phonetic, small capitals
    ("ᴦᴩᴨ℮", "rpne"),  # small capitals of Greek, the sign of estimates
    ("ꓮꓐꓚꓓꓰꓝꓖꓧꓲꓙꓗꓡꓟꓠꓳꓑꓣꓢꓔꓴꓦꓪꓫꓬꓜ", "abcdefghijklmnoprstuvwxyz"),  # Lisu
    ("ᎠᎡᎢᎪᏔᏚᏟᏃᎬᎻᎷᏢᏴᏦᏞᏙᎥᏀᎫ", "drtawsczehmpbklvigj"),  # Cherokee: folding its case leads to capitals
)

#: Every look-alike with the letter it stands for; boxed and flag letters have no decomposition either.
ALIKE = {
    **{seen: meant for alike, latin in _ALIKE for seen, meant in zip(alike, latin, strict=True)},
    **{chr(first + n): chr(97 + n) for first in (0x1F150, 0x1F170, 0x1F1E6) for n in range(26)},
}

#: Digits and signs that stand for letters inside a word; 1 is an l where it is doubled, otherwise an i.
LEET = {"0": "o", "1": "i", "3": "e", "4": "a", "5": "s", "7": "t", "@": "a", "$": "s", "€": "e", "!": "i"}
