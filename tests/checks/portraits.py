"""The rule "no portraits of people" for the embedded models, and prompts for both sides of it."""

from __future__ import annotations

from typing import Any

CONCEPT = "person"
OPTIONS: dict[str, Any] = {
    "model": "embedded",
    "concepts": {
        CONCEPT: {
            "prompts": ["a portrait of a woman", "a portrait of a man", "a portrait of a person"],
            "negatives": [
                "a boat on a lake", "a house", "a car", "a tree", "mountains at sunset",
                "a red circle", "a blue square above a green star", "a landscape at night",
            ],
            "threshold": 0.5,
        }
    },
}  # fmt: skip
PORTRAITS = (
    "a portrait of a woman with red hair, flat style",
    "a portrait of a man with a beard and a hat, outline style",
    "portrait of a smiling woman with long blond hair and glasses",
    "a portrait of a man with short black hair, watercolor style",
    "a portrait of a person in a green shirt, pixel art style",
    "portrait of a woman with brown hair, blue background",
)
OTHERS = (
    "a red boat on a lake at night, flat style",
    "a house on grass by day, watercolor style",
    "a yellow car on sand at sunset",
    "a green tree in snow, outline style",
    "a red circle left of a blue square, flat style",
    "a purple star on a white background, pixel art style",
)
