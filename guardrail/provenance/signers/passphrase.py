"""Where the passphrase of a key comes from: an environment variable or a file, never a value in
a configuration file that ends up in version control."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from guardrail.errors import ProvenanceError


@dataclass(frozen=True, slots=True)
class Passphrase:
    """Names the place of a passphrase; reads it only when it is needed."""

    variable: str | None = None
    file: Path | None = None
    word: str = "passphrase"
    """What it is called: a token has a PIN."""

    def read(self) -> bytes:
        """Return the passphrase. Raises :class:`ProvenanceError` naming the place, not the text."""
        if self.variable is not None:
            value = os.environ.get(self.variable)
            if not value:
                raise ProvenanceError(
                    f"The environment variable {self.variable} holds no {self.word}.",
                    hint=f"Set it to the {self.word} of the signing key.",
                )
            return value.encode("utf-8")
        try:
            return Path(str(self.file)).read_bytes().rstrip(b"\r\n")
        except OSError as error:
            raise ProvenanceError(
                f"The {self.word} file {self.file} cannot be read ({error.strerror})."
            ) from error
