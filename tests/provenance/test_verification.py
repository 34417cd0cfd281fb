"""Verifying: every file gets a state in plain words, whoever made it and whatever it is."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from guardrail.errors import ConfigurationError, ProvenanceError
from guardrail.provenance import Provenance, SignatureState, Verification, verify
from guardrail.provenance.reading import interpret
from guardrail.provenance.report import ActionTaken
from guardrail.provenance.words import plain_words
from tests.provenance.conftest import DATA, make_facts, make_picture

FILES = DATA / "public-testfiles"


def test_it_tells_everything_that_was_signed(provenance: Provenance) -> None:
    facts = make_facts(prompt="a red boat")
    made = provenance.sign(make_picture(), facts, "image/png")
    found = verify(made.content, anchors=provenance.anchors_pem)
    assert found.generator == "guardrail 0.1.0"
    assert found.title == "picture.png"
    assert found.actions == (
        ActionTaken(
            "c2pa.created", "trainedAlgorithmicMedia", "embedded", "2026-11-23T10:00:00.000000Z"
        ),
    )
    assert found.all_actions
    assert found.generative
    assert found.ai_disclosure
    assert found.ai_disclosure.human_oversight == "prompt_guided"
    assert dict(found.training)["cawg.ai_training"] == "notAllowed"
    assert found.signature
    assert "not for production" in found.signature.subject
    assert "issuer" in found.signature.issuer
    assert found.signature.time is None
    claim = found.guardrail
    assert claim
    assert (claim.record_id, claim.seed) == (str(facts.record_id), str(facts.seed))
    assert (claim.policy_id, claim.policy_sha256, claim.verdict) == ("default", "ab" * 32, "allow")
    assert (claim.prompt, claim.development) == ("a red boat", True)
    assert "development certificate" in found.sentence
    assert found.record_id == facts.record_id
    assert claim.parameters == {"width": 64, "height": 64, "guidance_scale": 7.5}


@pytest.mark.parametrize("claimed", ["not an identifier", "", "0" * 36, "\u0660" * 32 + "x"])
def test_a_claim_that_is_no_identifier_names_no_record(
    provenance: Provenance, claimed: Any
) -> None:
    made = provenance.sign(make_picture(), make_facts(record_id=claimed), "image/png")
    assert verify(made.content).record_id is None


def test_a_picture_of_somebody_else_names_no_record() -> None:
    assert verify(FILES / "adobe-20220124-CA.jpg").record_id is None


def test_without_anchors_nobody_is_trusted(signed: dict[str, bytes]) -> None:
    found = verify(signed["image/png"])
    assert found.state is SignatureState.VALID_UNTRUSTED
    assert "Anybody can make" in found.sentence
    assert [f.code for f in found.failures] == ["signingCredential.untrusted"]


def test_a_picture_saved_elsewhere_has_no_credentials(signed: dict[str, bytes]) -> None:
    stream = io.BytesIO()
    Image.open(io.BytesIO(signed["image/png"])).save(stream, "PNG")
    found = verify(stream.getvalue())
    assert found.state is SignatureState.NONE
    assert "proves nothing in either direction" in found.sentence
    assert found.pixels_sha256 == verify(signed["image/png"]).pixels_sha256


def test_credentials_moved_to_another_picture_are_invalid(
    provenance: Provenance, signed: dict[str, bytes]
) -> None:
    other = provenance.sign(make_picture(seed=1), make_facts(), "image/png").content
    ours = signed["image/png"]
    cut = ours.index(b"IDAT") - 4
    moved = ours[:cut] + other[other.index(b"IDAT") - 4 :]
    assert verify(moved, anchors=provenance.anchors_pem).state is SignatureState.INVALID


@pytest.mark.parametrize("content", [b"", b"hello", b"[project]\nname = 1\n", b"\x00" * 500])
def test_what_is_no_picture_has_no_credentials(content: bytes) -> None:
    found = verify(content)
    assert found.state is SignatureState.NONE
    assert found.media_type is None


@pytest.mark.parametrize("kind", ["image/png", "image/jpeg", "image/webp"])
def test_half_a_file_is_not_valid(
    signed: dict[str, bytes], provenance: Provenance, kind: str
) -> None:
    half = signed[kind][: len(signed[kind]) // 2]
    assert verify(half, anchors=provenance.anchors_pem).state is SignatureState.INVALID


def test_a_path_is_read_and_a_missing_one_is_an_error(
    signed: dict[str, bytes], tmp_path: Path
) -> None:
    (tmp_path / "a.jpg").write_bytes(signed["image/jpeg"])
    assert verify(tmp_path / "a.jpg").media_type == "image/jpeg"
    with pytest.raises(ConfigurationError, match="No such file"):
        verify(tmp_path / "b.jpg")


def test_anchors_that_are_none_are_an_error(signed: dict[str, bytes]) -> None:
    with pytest.raises(ProvenanceError, match="trust anchors"):
        verify(signed["image/png"], anchors="not PEM")


def test_a_wrong_ending_does_not_matter(signed: dict[str, bytes], tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(signed["image/webp"])
    assert verify(tmp_path / "a.png").media_type == "image/webp"


def test_it_is_json_safe_and_leaves_out_the_bulk(signed: dict[str, bytes]) -> None:
    data = json.loads(json.dumps(verify(signed["image/png"]).as_data()))
    assert data["state"] == "valid_untrusted"
    assert "crjson" not in data


# What the publisher expects, and what is different today (docs/provenance.md tells why).
VALID = (
    "C CA CACA CACAICAICICA CAI CAIAIIICAICIICAIICICA CAICA CAICAI CI CICA CICACACA CII CIE-sig-CA"
)
INVALID = {
    "adobe-20220124-E-dat-CA.jpg": "assertion.dataHash.mismatch",
    "adobe-20220124-XCA.jpg": "assertion.dataHash.mismatch",
    "adobe-20220124-XCI.jpg": "assertion.dataHash.mismatch",
    "adobe-20220124-E-sig-CA.jpg": "claimSignature.mismatch",
    "adobe-20220124-E-uri-CA.jpg": "assertion.hashedURI.mismatch",
    "adobe-20220124-E-uri-CIE-sig-CA.jpg": "assertion.hashedURI.mismatch",
    "adobe-20220124-E-clm-CAICAI.jpg": "ingredient.manifest.missing",
    "nikon-20221019-building.jpeg": "signingCredential.expired",
    "truepic-20230212-camera.jpg": "assertion.dataHash.mismatch",
}
EXPECTED: dict[str, tuple[SignatureState, str | None]] = {
    **{f"adobe-20220124-{n}.jpg": (SignatureState.NONE, None) for n in "AI"},
    **{
        f"adobe-20220124-{n}.jpg": (SignatureState.VALID_UNTRUSTED, "signingCredential.untrusted")
        for n in VALID.split()
    },
    **{name: (SignatureState.INVALID, code) for name, code in INVALID.items()},
}


def test_every_public_test_file_has_an_expected_verdict() -> None:
    assert {path.name for path in FILES.glob("*.jp*g")} == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_public_test_file_gets_its_verdict(name: str) -> None:
    state, code = EXPECTED[name]
    found = verify(FILES / name)
    assert found.state is state
    assert code is None or code in [failure.code for failure in found.failures]
    assert found.sentence
    assert all(failure.sentence for failure in found.failures)


@pytest.mark.parametrize("name", [n for n, (_, code) in EXPECTED.items() if code])
def test_a_public_test_file_is_read_as_its_publisher_read_it(name: str) -> None:
    expected = json.loads((FILES / "expected" / Path(name).with_suffix(".json").name).read_text())
    active = expected["manifests"].get(expected.get("active_manifest"), {})
    found = verify(FILES / name)
    assert found.title == active.get("title")
    assert [i.title for i in found.ingredients] == [i["title"] for i in active["ingredients"]]


def test_ingredients_form_a_tree() -> None:
    found = verify(FILES / "adobe-20220124-CAICAI.jpg")
    assert [(i.title, i.relationship) for i in found.ingredients] == [
        ("A.jpg", "parentOf"),
        ("CAI.jpg", "componentOf"),
    ]
    assert [i.title for i in found.ingredients[1].ingredients] == ["A.jpg", "I.jpg"]
    assert found.signature
    assert found.signature.time == "2023-01-24T14:48:58+00:00"


NAMES = re.findall(
    r"\w+",
    """active_manifest manifests m assertions label data actions action ingredients title
    signature_info validation_results activeManifest failure code entries use name
    claim_generator_info redactions model policy decision warnings parameters width recordId""",
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(NAMES),
            inner,
            max_size=5,
        )
    ),
    max_leaves=30,
)
LABELS = (
    "c2pa.actions.v2",
    "c2pa.ai-disclosure",
    "cawg.training-mining",
    "org.guardrail.generation",
)


@settings(max_examples=300, deadline=None)
@given(JSON, JSON, st.lists(st.tuples(st.sampled_from(LABELS), JSON), max_size=4))
def test_no_manifest_whatever_it_holds_breaks_the_reading(
    store: Any, manifest: Any, assertions: list[tuple[str, Any]]
) -> None:
    facts = Verification(SignatureState.NONE, "", "0" * 64)
    whole = {
        **(store if isinstance(store, dict) else {}),
        "active_manifest": "m",
        "manifests": {
            "m": {
                **(manifest if isinstance(manifest, dict) else {"signature_info": manifest}),
                "assertions": [{"label": label, "data": data} for label, data in assertions],
            }
        },
    }
    for candidate in (store if isinstance(store, dict) else {}, whole):
        found = interpret(facts, "Trusted", candidate, json.dumps(candidate, default=str))
        assert found.sentence
        found.as_data()


def test_a_circle_of_ingredients_ends() -> None:
    circle = {"title": "x", "active_manifest": "m"}
    store = {"active_manifest": "m", "manifests": {"m": {"ingredients": [circle]}}}
    facts = Verification(SignatureState.NONE, "", "0" * 64)
    found, depth = interpret(facts, "Valid", store, "{}").ingredients, 0
    while found:
        found, depth = found[0].ingredients, depth + 1
    assert depth == 24


@given(st.text())
def test_every_code_has_words(code: str) -> None:
    assert plain_words(code).endswith(".")
