"""The register of models: what it says, what that rests on, pinned weights, and rules on both."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml

from guardrail import Pipeline, PolicyBlocked, ReviewRequired
from guardrail.cli.errors import run as run_command
from guardrail.cli.root import cli
from guardrail.errors import ConfigurationError, VerificationFailed
from guardrail.models import Document, load_register, pin, require_pinned, terms_of
from guardrail.policy.files import bundled_names
from guardrail.resources import model_register
from tests.policy.writing import write

WEIGHTS = {"unet/a.safetensors": "a" * 64, "vae/b.safetensors": "b" * 64}


def own(home: Path, **content: Any) -> Path:
    home.mkdir(exist_ok=True)
    path = home / "models.yaml"
    path.write_text(yaml.safe_dump({"schema_version": 1} | content))
    return path


def test_forty_models_at_least_each_with_its_terms() -> None:
    models = load_register().models
    assert len(models) >= 40
    for model in models.values():
        assert model.licence
        assert model.limits
        assert model.training_data
        assert model.commercial in {"yes", "no", "conditional"}


def test_every_source_has_a_place_and_a_date_that_has_come() -> None:
    document = Document.model_validate(yaml.safe_load(model_register().read_text("utf-8")))
    sources = [
        s for entry in (*document.models, *document.licences.values()) for s in entry.sources
    ]
    assert len(sources) >= 30
    for source in sources:
        assert date(2026, 11, 1) <= source.read <= date.today()  # noqa: DTZ011
        if re.match(r"https://github\.com/", source.url):
            assert re.search(r"/blob/[0-9a-f]{40}/", source.url), f"{source.url} names no commit"
        elif not source.url.startswith("https://"):
            assert (model_register().parent.parent / source.url).exists(), source.url


def test_ids_are_unique_and_every_licence_is_used() -> None:
    document = Document.model_validate(yaml.safe_load(model_register().read_text("utf-8")))
    ids = [model.id.lower() for model in document.models]
    assert len(ids) == len(set(ids))
    assert {model.licence for model in document.models} == set(document.licences)


def test_what_no_source_supports_is_said() -> None:
    models = load_register().models
    assert models["embedded"].unread == ()
    assert models["black-forest-labs/FLUX.1-dev"].unread == ("training_data", "gated")
    assert models["fal/AuraFlow-v0.3"].unread == ("licence", "limits", "training_data", "gated")


def test_the_register_is_no_policy() -> None:
    assert "models" not in bundled_names()


@pytest.mark.parametrize("name", ["Qwen/Qwen-Image", "qwen/qwen-image", "Qwen/Qwen-Image@main"])
def test_a_model_is_found_by_its_hub_id(name: str) -> None:
    assert load_register().find(name).id == "Qwen/Qwen-Image"


@pytest.mark.parametrize(("name", "hint"), [("someone/flux.1-copy", "FLUX.1"), ("x/y", "list")])
def test_a_model_that_is_not_registered_names_similar_ones(name: str, hint: str) -> None:
    with pytest.raises(ConfigurationError, match="not in the register") as caught:
        load_register().find(name)
    assert hint in str(caught.value.hint)


def test_a_file_at_home_adds_and_replaces(home: Path) -> None:
    mine = {
        "family": "Ours", "licence": "ours", "training_data": "our own catalogue", "gated": False,
    }  # fmt: skip
    own(
        home,
        licences={"ours": {"name": "House licence", "commercial": "yes", "limits": "none"}},
        models=[{"id": "acme/model"} | mine, {"id": "Qwen/Qwen-Image"} | mine],
    )
    models = load_register(home).models
    assert models["acme/model"].licence == "House licence"
    assert models["Qwen/Qwen-Image"].training_data == "our own catalogue"
    assert models["embedded"].licence == "Apache License 2.0"


@pytest.mark.parametrize(
    ("content", "where"),
    [
        ({"models": [{"id": "a"}]}, r"models\.0\.family"),
        ({"unknown": 1}, "unknown"),
        ({"schema_version": 2}, "schema_version"),
        ({"pins": {"a": {"f": "short"}}}, "pins"),
        ({"models": [{"id": "a", "family": "b", "licence": "nope", "training_data": "c",
                      "gated": False}]}, "unknown licence"),
    ],
)  # fmt: skip
def test_a_fault_is_located(home: Path, content: dict[str, Any], where: str) -> None:
    own(home, **content)
    with pytest.raises(ConfigurationError, match=where):
        load_register(home)


def test_a_file_that_is_no_yaml_is_one_sentence(home: Path) -> None:
    own(home).write_text("models: [\n")
    with pytest.raises(ConfigurationError, match="YAML at line"):
        load_register(home)


def test_pinned_weights_are_kept_beside_what_is_there(home: Path) -> None:
    own(home, licences={"x": {"name": "X", "commercial": "no", "limits": "none"}})
    pin(home, "acme/one", WEIGHTS)
    pin(home, "acme/two", {"unet/a.safetensors": "c" * 64})
    register = load_register(home)
    assert register.pins["acme/one"] == WEIGHTS
    assert set(register.pins) == {"acme/one", "acme/two"}
    require_pinned(register, "acme/one", WEIGHTS)


@pytest.mark.parametrize(
    ("weights", "named"),
    [
        (WEIGHTS | {"unet/a.safetensors": "c" * 64}, "unet/a.safetensors"),
        ({"vae/b.safetensors": "b" * 64}, "unet/a.safetensors"),
        (WEIGHTS | {"more.safetensors": "d" * 64}, "more.safetensors"),
    ],
)
def test_every_file_that_differs_is_named(home: Path, weights: dict[str, str], named: str) -> None:
    pin(home, "acme/one", WEIGHTS)
    with pytest.raises(VerificationFailed, match=re.escape(named)):
        require_pinned(load_register(home), "acme/one", weights)


def test_nothing_pinned_is_not_verified(home: Path) -> None:
    with pytest.raises(VerificationFailed, match="nothing to compare"):
        require_pinned(load_register(home), "acme/one", WEIGHTS)


RULES = [
    {"id": "mine.commercial", "check": "pattern", "stage": "prompt", "action": "block",
     "when": "purpose == 'commercial' && model.commercial == 'no'"},
    {"id": "mine.unregistered", "check": "pattern", "stage": "prompt", "action": "review",
     "when": "model.commercial == 'unregistered'"},
    {"id": "mine.weights", "check": "pattern", "stage": "prompt", "action": "block",
     "when": "model.weights == 'not as pinned'"},
]  # fmt: skip


@pytest.fixture
def governed(backend: Any, home: Path, tmp_path: Path) -> Iterator[Any]:
    """Make pipelines whose policy reads the register."""
    made: list[Pipeline] = []
    rules = [rule | {"reason": "So it is.", "with": {"patterns": ["(?s).+"]}} for rule in RULES]
    policy = write(tmp_path, *rules, extends=["default"])

    def make() -> Pipeline:
        made.append(Pipeline.from_pretrained(backend, policy=policy, home=home))
        return made[-1]

    yield make
    for pipe in made:
        pipe.close()


def registered(home: Path, commercial: str) -> None:
    own(
        home,
        licences={"x": {"name": "X", "commercial": commercial, "limits": "none"}},
        models=[{"id": "tiny", "family": "Tiny", "licence": "x", "training_data": "none",
                 "gated": False}],
    )  # fmt: skip


def test_an_unregistered_model_goes_to_review(governed: Any) -> None:
    with pytest.raises(ReviewRequired) as held:
        governed().generate("a house")
    assert [f.rule_id for f in held.value.decision.deciding] == ["mine.unregistered"]


def test_a_non_commercial_model_is_refused_for_a_commercial_purpose(
    governed: Any, home: Path
) -> None:
    registered(home, "no")
    pipe = governed()
    with pytest.raises(PolicyBlocked):
        pipe.generate("a house", purpose="commercial")
    assert pipe.generate("a house", steps=2, purpose="research")
    registered(home, "yes")
    assert governed().generate("a house", steps=2, purpose="commercial")


def test_weights_that_are_not_the_pinned_ones_are_refused(governed: Any, home: Path) -> None:
    registered(home, "yes")
    identity = governed().backend.identity
    pin(home, "tiny", identity.weights)
    assert governed().generate("a house", steps=2)
    pin(home, "tiny", dict(identity.weights) | {"unet/extra.safetensors": "e" * 64})
    with pytest.raises(PolicyBlocked) as refused:
        governed().generate("a house", steps=2)
    assert [f.rule_id for f in refused.value.decision.deciding] == ["mine.weights"]


def test_the_terms_are_recorded_with_the_request(governed: Any, home: Path) -> None:
    registered(home, "yes")
    pipe = governed()
    record = pipe.audit.record(pipe.generate("a house", steps=2).record_id)
    assert record.events[0].body["data"]["model"]["terms"] == {
        "licence": "X", "commercial": "yes", "weights": "not pinned",
    }  # fmt: skip
    assert terms_of(load_register(home), pipe.backend.identity)["commercial"] == "yes"


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Any:
    def call(*arguments: str | Path) -> tuple[int, str, str]:
        code = run_command(cli, [str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return int(code), captured.out, captured.err

    return call


def test_the_list_is_filtered_and_cautious(command: Any) -> None:
    code, out, err = command("models", "list", "--commercial", "no", "--family", "flux")
    assert code == 0
    assert "black-forest-labs/FLUX.1-dev" in out
    assert "schnell" not in out
    assert "check the licensor's current terms" in err
    code, out, _ = command("--format", "json", "models", "list")
    assert {"id", "licence", "commercial", "sources", "unread"} <= set(json.loads(out)[0])


def test_one_model_is_shown_with_what_its_entry_rests_on(command: Any) -> None:
    code, out, err = command("models", "show", "deepfloyd/if-i-xl-v1.0")
    assert code == 0
    for words in ("non-commercial research only", "gated       yes", "read        2026-11-25",
                  "not read    training_data", "LICENSE-MODEL"):  # fmt: skip
        assert words in out
    assert "check the licensor's current terms" in err


def test_weights_are_pinned_and_verified(command: Any, tiny_model: Path, tmp_path: Path) -> None:
    model = Path(shutil.copytree(tiny_model, tmp_path / "mine"))
    code, _, err = command("models", "verify", model)
    assert code == 5
    assert "nothing to compare" in err
    assert command("models", "verify", model, "--pin")[0] == 0
    code, out, _ = command("models", "verify", model)
    assert code == 0
    assert "as pinned" in out
    weights = model / "unet" / "diffusion_pytorch_model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    code, _, err = command("models", "verify", model)
    assert code == 5
    assert "unet/diffusion_pytorch_model.safetensors" in err


def test_looking_up_terms_is_light() -> None:
    code = (
        "import sys; from guardrail.cli import main\n"
        "sys.argv = ['guardrail', 'models', 'list']\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print([m for m in ('torch', 'diffusers', 'PIL') if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == "[]"
