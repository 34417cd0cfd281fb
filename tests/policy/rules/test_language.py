from __future__ import annotations

import pytest

from tests.policy.rules.examining import codes, examine


@pytest.mark.parametrize(
    "text",
    [
        "kot siedzi na dachu oraz pod oknem przez noc",
        "een huis bij een meer bij zonsondergang",
        "ένα σπίτι στη λίμνη",
        "บ้านริมทะเลสาบ",
        "בית ליד האגם",
        "umuntu ogqoke isigqoko futhi ehamba ngaphansi kwesihlahla",
    ],
)
def test_a_language_without_vocabulary_is_found(text: str) -> None:
    assert codes("language", text) == {"LANGUAGE_NOT_COVERED"}


@pytest.mark.parametrize(
    "text",
    [
        "a cat",
        "kendall mint cake",
        "35mm, 8k, HDR",
        "un gato en la ventana",
        "un chat sur la fenêtre",
        "eine Katze auf dem Fenster",
        "um gato na janela",
        "un gatto sulla finestra",
        "кот на окне",
        "窗台上的猫",
        "窓辺の猫",
        "창가의 고양이",
        "खिड़की पर बिल्ली",
        "قطة على النافذة",
        "",
    ],
)
def test_covered_languages_pass(text: str) -> None:
    assert not codes("language", text)


def test_coverage_can_be_narrowed() -> None:
    assert codes("language", "eine Katze auf dem Fenster", covered=["en"])
    with pytest.raises(ValueError, match="'xx' is not one of"):
        examine("language", "", covered=["xx"])
