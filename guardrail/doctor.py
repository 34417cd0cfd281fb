"""Would a generation work here? Each part is tried for real, and says how to mend it."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from guardrail import resources
from guardrail._version import __version__
from guardrail.clock import Clock, parse_rfc3339, utc_now
from guardrail.errors import ConfigurationError, GuardrailError
from guardrail.settings import NAMES, Settings

LIBRARIES = ("torch", "diffusers", "transformers", "open_clip_torch", "c2pa-python", "sqlalchemy")
WARN_DAYS = 14


class Health(StrEnum):
    """``FAILED`` means that a generation would not work."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found about one part."""

    part: str
    health: Health
    text: str
    hint: str | None = None


def examine(settings: Settings, *, clock: Clock = utc_now) -> Iterator[Finding]:
    """Try every part a generation needs, in the order of the flow. Never raises for a part
    that is broken, never imports torch, makes no key and no store."""
    yield from _versions()
    yield from _settings(settings)
    parts: tuple[tuple[str, Callable[[Settings, Clock], Iterator[Finding]]], ...] = (
        ("policy", _policy),
        ("model", _model),
        ("signer", _signer),
        ("store", _store),
    )
    for name, try_part in parts:
        try:
            yield from try_part(settings, clock)
        except GuardrailError as error:
            yield Finding(name, Health.FAILED, error.message, error.hint)


def _versions() -> Iterator[Finding]:
    yield Finding("guardrail", Health.OK, f"{__version__} on Python {platform.python_version()}")
    for name in LIBRARIES:
        try:
            yield Finding(name, Health.OK, importlib.metadata.version(name))
        except importlib.metadata.PackageNotFoundError:
            yield Finding(name, Health.FAILED, "not installed", "Reinstall: pip install guardrail")


def _settings(settings: Settings) -> Iterator[Finding]:
    for name in NAMES:
        value = "audit_url" if name == "audit" else name
        shown = _masked(str(getattr(settings, value)))
        yield Finding(f"setting {name}", Health.OK, f"{shown}  (from {settings.sources[name]})")


def _masked(text: str) -> str:
    if "://" not in text or "@" not in text:
        return text
    scheme, _, rest = text.partition("://")
    return f"{scheme}://***@{rest.rpartition('@')[2]}"


def _policy(settings: Settings, _clock: Clock) -> Iterator[Finding]:
    from guardrail.activation import chosen_policy  # noqa: PLC0415
    from guardrail.contracts import Stage  # noqa: PLC0415
    from guardrail.provided import PROVIDED  # noqa: PLC0415

    policy = chosen_policy(settings)
    policy.require(PROVIDED)
    images = len(policy.image_rules(Stage.OUTPUT))
    yield Finding(
        "policy",
        Health.OK,
        f"{policy.ref.id} {policy.ref.version}, {images} image rules, digest {policy.ref.digest}",
    )


def _model(settings: Settings, _clock: Clock) -> Iterator[Finding]:
    if settings.model == "embedded":
        folder = resources.embedded_model_dir()
    else:
        folder = Path(settings.model).expanduser()
    if folder.is_dir():
        index = folder / "model_index.json"
        if not index.is_file():
            raise ConfigurationError(
                f"The model directory {folder} has no model_index.json.",
                hint="Point the setting 'model' at a directory saved with save_pretrained().",
            )
        size = sum(p.stat().st_size for p in folder.rglob("*.safetensors")) / 1e6
        yield Finding("model", Health.OK, f"{settings.model}, {size:.1f} MB of safetensors")
        return
    from huggingface_hub import try_to_load_from_cache  # noqa: PLC0415

    found = try_to_load_from_cache(settings.model, "model_index.json")
    if not isinstance(found, str):
        raise ConfigurationError(
            f"The model {settings.model!r} is neither a directory nor in the local cache.",
            hint="Download it once: guardrail generate --allow-download --model ...",
        )
    yield Finding("model", Health.OK, f"{settings.model} in the local cache")


def _signer(settings: Settings, clock: Clock) -> Iterator[Finding]:
    from guardrail.provenance import load_signer  # noqa: PLC0415

    if settings.signer == "development" and not (settings.home_dir / "development").exists():
        yield Finding(
            "signer", Health.WARNING, "a development certificate will be made on first use"
        )
        return
    info = load_signer(settings.signer, home=settings.home_dir, clock=clock).info
    days = _days_left(parse_rfc3339(info.not_after), clock())
    text = f"{info.subject}, {info.algorithm}, certificate valid for {days} more days"
    if days < 0:
        yield Finding("signer", Health.FAILED, text, "Renew the certificate.")
    elif info.development:
        yield Finding("signer", Health.WARNING, f"{text}; development only, trusted by nobody else")
    else:
        health = Health.WARNING if days < WARN_DAYS else Health.OK
        yield Finding("signer", health, text)


def _days_left(end: datetime, now: datetime) -> int:
    return (end - now).days


def _store(settings: Settings, clock: Clock) -> Iterator[Finding]:
    from guardrail.audit import AuditLog  # noqa: PLC0415

    url = settings.audit_url
    if url.startswith("sqlite:///") and not Path(url.removeprefix("sqlite:///")).exists():
        yield Finding("store", Health.WARNING, f"{_masked(url)} will be made on first use")
        return
    with AuditLog.open(url, clock=clock, migrate=False) as log:
        found = log.health()
        health = Health.OK if found.ok else Health.FAILED
        yield Finding(
            "store",
            health,
            f"{log.url_display}: {found.summary}",
            "Whether anything was changed: guardrail audit verify",
        )
