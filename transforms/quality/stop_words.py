"""Stop words by language: prose contains them, lists of products and keywords hardly do.

English has Gopher's list (Rae et al. 2021, A1.1). The other lists are ours: eight to twelve of the most frequent
function words of the language, as the tokenizer splits them (single characters in Chinese and Japanese; parts split at
apostrophes). Languages whose words are not single tokens (Thai, Lao, Khmer, Myanmar) have no list; documents in a
language without a list pass the rule ``stop_words``. To add a language, add a row to ``STOP_WORDS``.
"""

from __future__ import annotations

from functools import lru_cache

from gristmill.corpus.arrays import UInt64s
from gristmill.corpus.words import word_hashes

GOPHER_STOP_WORDS = ("the", "be", "to", "of", "and", "that", "have", "with")
"""The list that datatrove and DCLM use, too."""

STOP_WORDS: dict[str, str] = {
    "ar": "في من على إلى أن عن مع هذا التي الذي ما لا",
    "bg": "и на в за от се да с не по че са",
    "ca": "de la el que i a en els les per un una amb",
    "cs": "a v na se je že to s z do o i",
    "da": "og i at det er en til på af for med den",
    "de": "der die das und ist in zu den mit von nicht ein",
    "el": "και το η να του της ο με την για από που",
    "en": " ".join(GOPHER_STOP_WORDS),
    "es": "de la que el en y a los se del las por",
    "et": "ja on ei et see ka kui oli mis oma",
    "fa": "و در به از که این را با است برای آن",
    "fi": "ja on ei että se oli kun myös ovat mutta tai hän",
    "fr": "de la le et les des en un une est que pour",
    "he": "של את על לא הוא זה עם כי גם היא או אל",
    "hi": "के में की है और से का को पर यह कि",
    "hr": "i je u da na se za su od a to s",
    "hu": "a az és hogy nem is egy ez volt meg de csak",
    "id": "yang dan di dengan untuk ini dari dalam itu pada tidak",
    "it": "di e la il che in un per è una non del",
    "ja": "の に は を た が で と て も し",
    "ko": "이 그 수 등 및 것 있는 한 더 있다 위해 대한",
    "lt": "ir kad į iš su yra tai bet kaip o ar",
    "lv": "un ir ar no uz par kas ka arī tas bet",
    "ms": "yang dan di dengan untuk ini dari dalam itu pada tidak",
    "nl": "de het een en van in is dat te op met niet",
    "no": "og i det er en til på av for med som den",
    "pl": "w i na z się nie do to że jest o jak",
    "pt": "de a o que e do da em um para os com",
    "ro": "și de în la cu a pe o nu din care este",
    "ru": "и в на не что с по к как из это для",
    "sk": "a v na sa je že to s z do o aj",
    "sl": "in je v na se da za so ki z pa",
    "sr": "и је у да на се за су i je u na",
    "sv": "och i att det en som är på för av med till",
    "tr": "ve bir bu da de için ile ne gibi olarak çok daha",
    "uk": "і в на не що з у до та це за як",
    "ur": "کے میں کی ہے اور سے کا کو پر یہ کہ",
    "vi": "và của là có cho không được các trong một với những",
    "zh": "的 一 是 不 了 在 有 我 这 這 和 为 為",
}
"""Stop words separated by spaces, by ISO 639 code."""


@lru_cache(maxsize=256)
def stop_word_hashes(lang: str | None) -> UInt64s | None:
    """Return the hashes of the language's stop words, uint64 [stop words], or None if it has no list."""
    return word_hashes(STOP_WORDS[lang]) if lang in STOP_WORDS else None
