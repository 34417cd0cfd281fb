"""Letters of other scripts that look like Latin ones (from Unicode's confusables data, UTS #39).

Only what is used to disguise Latin words; comparison only, never shown (UTS #39 section 4).
"""

from __future__ import annotations

_LOOKALIKES = {
    "a": "аɑαᴀꭺ",
    "b": "ьƅвᏼʙ",
    "c": "сϲᴄⅽ",
    "d": "ԁɗⅾᴅ",
    "e": "еєҽεᴇ℮",
    "f": "ƒϝꜰ",
    "g": "ɡցɢ",
    "h": "һհнʜ",
    "i": "іιɩıɪⅰӏ",
    "j": "јϳᴊ",
    "k": "кκᴋ",
    "l": "ⅼʟ",
    "m": "мⅿᴍ",
    "n": "ոпηɴ",
    "o": "оοσօᴏ",
    "p": "рρᴘ",
    "q": "ԛզ",
    "r": "гʀꭇᴦ",
    "s": "ѕꜱʂ",
    "t": "тτᴛ",
    "u": "υսцᴜʋ",
    "v": "ѵνᴠⅴ",
    "w": "ԝшωᴡ",
    "x": "хχⅹ",
    "y": "уγʏүყ",
    "z": "ᴢʐ",
}

CONFUSABLES = {char: latin for latin, chars in _LOOKALIKES.items() for char in chars}
"""Look-alike to Latin letter, after case folding."""
