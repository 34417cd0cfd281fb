"""What our provenance stage costs beside bare c2pa-python, and whether memory stays flat.

    python -m benchmarks.signing [--count 40] [--signatures 1000]

From pixels to a signed file whose signature was checked, no thumbnail. *Bare* signs the same
manifest with the same chain and key through c2pa-python as its documentation shows it
(``from_info``) and checks the same afterwards: trust and the hash of the whole file. It is measured
twice, with our encoder and with Pillow's default, which is what a user would write. *Ours* also
checks the manifest before signing, hashes file and pixels for the record, and keeps the key out of
the library.

The two take turns within one run, so that a change of the machine's load meets both.
"""

from __future__ import annotations

import argparse
import io
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import c2pa
import numpy as np
import psutil
from cryptography.hazmat.primitives import serialization
from PIL import Image

from guardrail.provenance import Provenance, load_signer
from guardrail.provenance.encoding import encode
from guardrail.provenance.manifest import generated_manifest
from guardrail.provenance.vocabulary import INTENDED_PURPOSES
from tests.provenance.conftest import make_facts

TARGET = 1.15
"""How many times bare signing ours may cost at 1024x1024."""


def picture(side: int) -> Image.Image:
    """Return soft shapes with a little noise, which compress about as a photograph does."""
    random = np.random.default_rng(0)
    small = Image.fromarray(random.integers(0, 256, (side // 8, side // 8, 3), np.uint8))
    soft = np.asarray(small.resize((side, side), Image.Resampling.BICUBIC)).astype(np.int16)
    noise = random.integers(-3, 4, soft.shape)
    return Image.fromarray((soft + noise).clip(0, 255).astype(np.uint8))


class Bare:
    """c2pa-python alone."""

    def __init__(self, home: Path, anchors: str) -> None:
        content = (home / "development" / "signer.pem").read_bytes()
        key = serialization.load_pem_private_key(content, None)
        pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        chain = content[content.index(b"-----BEGIN CERTIFICATE") :]
        info = c2pa.C2paSignerInfo(b"es256", chain, pem, None)
        self.signer = c2pa.Signer.from_info(info)
        self.context = c2pa.Context.from_dict(
            {
                "trust": {
                    "trust_anchors": anchors,
                    "trust_config": "\n".join(INTENDED_PURPOSES.values()),
                },
                "verify": {"verify_after_sign": False, "remote_manifest_fetch": False},
                "builder": {"thumbnail": {"enabled": False}},
            }
        )

    def sign(self, content: bytes, manifest: dict[str, Any], kind: str) -> bytes:
        """Sign, and read back what was signed."""
        target = io.BytesIO()
        c2pa.Builder(manifest, self.context).sign(self.signer, kind, io.BytesIO(content), target)
        target.seek(0)
        with c2pa.Reader(kind, target, context=self.context) as reader:
            assert reader.get_validation_state() == "Trusted"
            json.loads(reader.json())
        return target.getvalue()


def pillow(image: Image.Image, kind: str) -> bytes:
    """Encode as a user would."""
    stream = io.BytesIO()
    options = {"quality": 95, "subsampling": 0} if kind == "image/jpeg" else {}
    image.save(stream, kind.removeprefix("image/").upper(), **options)
    return stream.getvalue()


def in_turns(ways: dict[str, Callable[[], Any]], count: int) -> dict[str, list[float]]:
    """Milliseconds of each way, all ways once a round."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for way in ways.values():
        way()
    for _ in range(count):
        for name, way in ways.items():
            started = time.perf_counter()
            way()
            times[name].append((time.perf_counter() - started) * 1000)
    return times


def compare(provenance: Provenance, bare: Bare, count: int) -> bool:
    """Print the comparison; return whether the targets are met."""
    met = True
    print("| picture | bare, our encoder | bare, Pillow | ours | ours / bare, our encoder |")
    print("|---|---|---|---|---|")
    for side in (64, 1024):
        image, facts = picture(side), make_facts()
        manifest = generated_manifest(facts, software_version="0", development=True)
        for kind in ("image/png", "image/jpeg", "image/webp"):
            times = in_turns(
                {
                    "fast": lambda i=image, k=kind, m=manifest: bare.sign(encode(i, k), m, k),
                    "pillow": lambda i=image, k=kind, m=manifest: bare.sign(pillow(i, k), m, k),
                    "ours": lambda i=image, k=kind, f=facts: provenance.sign(i, f, k),
                },
                count if side < 1024 else max(count // 2, 3),
            )
            middle = {name: statistics.median(values) for name, values in times.items()}
            ratio = statistics.median(
                mine / theirs for mine, theirs in zip(times["ours"], times["fast"], strict=True)
            )
            if side == 1024 and kind != "image/webp":
                met = met and ratio <= TARGET
            print(
                f"| {side} {kind.removeprefix('image/')} | {middle['fast']:.1f} ms "
                f"| {middle['pillow']:.1f} ms | {middle['ours']:.1f} ms | {ratio:.2f} |"
            )
    return met


def memory(provenance: Provenance, signatures: int) -> float:
    """Print resident memory over many signatures; return how much it grew in the second half, in
    MiB (the first half fills caches and the allocator's pools)."""
    process, image = psutil.Process(), picture(256)
    seen: list[float] = []
    for number in range(signatures + 1):
        if number % max(signatures // 5, 1) == 0:
            seen.append(process.memory_info().rss / 2**20)
        provenance.sign(image, make_facts(), "image/png")
    print("resident MiB over", signatures, "signatures:", " ".join(f"{mib:.1f}" for mib in seen))
    return seen[-1] - seen[len(seen) // 2]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--count", type=int, default=40)
    parser.add_argument("--signatures", type=int, default=1000)
    arguments = parser.parse_args()
    print(f"c2pa {c2pa.sdk_version()}, Python {platform.python_version()}, {platform.machine()}\n")
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        provenance = Provenance(load_signer("development", home=home))
        bare = Bare(home, provenance.anchors_pem)
        met = compare(provenance, bare, arguments.count)
        print(f"\n{'met' if met else 'NOT met'}: at most {TARGET} times bare at 1024x1024\n")
        grown = memory(provenance, arguments.signatures)
        print(f"grown in the second half: {grown:.1f} MiB")


if __name__ == "__main__":
    main()
