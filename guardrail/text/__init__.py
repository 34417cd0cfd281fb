"""How a text is read: normalised views with an offset map, and phrases found in all of them."""

from guardrail.text.normalise import View, fold, latin, squeeze, views
from guardrail.text.phrases import Hit, PhraseIndex
from guardrail.text.stems import stem

__all__ = ["Hit", "PhraseIndex", "View", "fold", "latin", "squeeze", "stem", "views"]
