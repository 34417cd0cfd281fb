"""How a text is read: normalised views with an offset map, and phrases found in all of them."""

from guardrail.text.normalise import View, fold, views
from guardrail.text.phrases import Hit, PhraseIndex

__all__ = ["Hit", "PhraseIndex", "View", "fold", "views"]
