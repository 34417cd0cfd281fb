"""What the caller gets back: pictures that are complete, signed and recorded."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from html import escape
from pathlib import Path
from uuid import UUID

from PIL import Image

from guardrail.contracts import Decision, ImageReport, SignedImage, StageTimes
from guardrail.errors import ConfigurationError
from guardrail.files import write_atomically
from guardrail.request import MEDIA_TYPES, numbered


@dataclass(frozen=True, slots=True)
class ReleasedImage:
    """One picture: signed, recorded, released."""

    record_id: UUID
    seed: int
    signed: SignedImage
    report: ImageReport
    times: StageTimes
    path: Path | None = None
    """Where it was written, if the request named a file."""

    @property
    def content(self) -> bytes:
        """The complete signed file. Saving anything else loses the credentials."""
        return self.signed.content

    @property
    def image(self) -> Image.Image:
        """The pixels, decoded from the signed file."""
        return Image.open(io.BytesIO(self.content))

    def save(self, path: str | Path) -> Path:
        """Write the signed file in one step. Its ending must fit the format it was signed in.

        Raises :class:`ConfigurationError` for another ending, ``OSError`` when it cannot write.
        """
        path = Path(path)
        if MEDIA_TYPES.get(path.suffix.lower()) != self.signed.format:
            raise ConfigurationError(
                f"The picture was signed as {self.signed.format}; {path.name} names another format."
            )
        write_atomically(path, self.content)
        return path


@dataclass(frozen=True, slots=True)
class Withheld:
    """One picture of a batch that the image checks did not let through."""

    record_id: UUID
    seed: int
    decision: Decision


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of one request that was allowed.

    ``images`` holds every released picture. The singular accessors are for the usual request of
    one picture and raise ``ValueError`` when there are several.
    """

    request_id: UUID
    decision: Decision
    images: tuple[ReleasedImage, ...]
    withheld: tuple[Withheld, ...] = ()

    @property
    def only(self) -> ReleasedImage:
        """The one picture of the request."""
        if len(self.images) != 1:
            raise ValueError(f"the request made {len(self.images)} pictures: use .images")
        return self.images[0]

    @property
    def image(self) -> Image.Image:
        """The pixels of the one picture."""
        return self.only.image

    @property
    def content(self) -> bytes:
        """The signed file of the one picture."""
        return self.only.content

    @property
    def record_id(self) -> UUID:
        """The record of the one picture."""
        return self.only.record_id

    @property
    def seed(self) -> int:
        """The seed of the one picture."""
        return self.only.seed

    def save(self, path: str | Path) -> tuple[Path, ...]:
        """Write every picture; several are numbered ``name-1.png``, ``name-2.png``, ..."""
        path = Path(path)
        if len(self.images) == 1:
            return (self.images[0].save(path),)
        return tuple(image.save(numbered(path, n)) for n, image in enumerate(self.images, 1))

    def _repr_png_(self) -> bytes | None:
        first = self.images[0]
        return first.content if first.signed.format == "image/png" else None

    def _repr_html_(self) -> str:
        return "".join(_card(image, self.decision) for image in self.images)


def _card(image: ReleasedImage, decision: Decision) -> str:
    data = base64.b64encode(image.content).decode("ascii")
    signer = image.signed.signer
    badge = "development credentials" if signer.development else "Content Credentials"
    facts = (
        f"<b>{escape(decision.verdict)}</b> by {escape(decision.policy.id)} "
        f"{escape(decision.policy.digest[:12])}<br>{escape(badge)}: {escape(signer.subject)}<br>"
        f"seed {image.seed}<br>record <code>{image.record_id}</code>"
    )
    return (
        '<figure style="display:inline-block;margin:4px;font:12px sans-serif">'
        f'<img src="data:{image.signed.format};base64,{data}" style="min-width:192px">'
        f"<figcaption>{facts}</figcaption></figure>"
    )
