"""``guardrail keys``: make, show and check what signs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from guardrail.cli.output import Output
from guardrail.errors import VerificationFailed

if TYPE_CHECKING:
    from guardrail.contracts import SignerInfo
    from guardrail.provenance.certificate_faults import CertificateFault
    from guardrail.provenance.checkup import SignerCheck


@click.group()
def keys() -> None:
    """Make, show and check signing keys and certificates."""


@keys.command()
@click.pass_obj
def dev(output: Output) -> None:
    """Make the development chain if there is none, and show it.

    It is for trying out: nobody else trusts it, and every picture says so.
    """
    from guardrail.provenance.signers import DevelopmentSigner  # noqa: PLC0415

    signer = DevelopmentSigner(output.settings.home_dir)
    made = not signer.exists
    info = signer.info
    output.line(f"{'made' if made else 'exists'}      {signer.folder}")
    _show(output, info)
    output.line(f"anchor    {signer.folder / 'root.pem'}")
    output.data({"made": made, "folder": str(signer.folder), "signer": info})
    output.note("Development only: a verifier elsewhere does not trust these certificates.")


@keys.command()
@click.argument("signer", required=False)
@click.pass_obj
def show(output: Output, signer: str | None) -> None:
    """Show who signs: SIGNER, or the signer of the settings."""
    from guardrail.provenance.signers import DevelopmentSigner, load_signer  # noqa: PLC0415

    settings = output.settings
    chosen = load_signer(signer or settings.signer, home=settings.home_dir)
    if isinstance(chosen, DevelopmentSigner) and not chosen.exists:
        output.line("There is no development chain yet; it is made on first use.")
        output.data({"signer": None})
        output.hint("guardrail keys dev")
        return
    info = chosen.info
    _show(output, info)
    output.data({"signer": info})


@keys.command()
@click.argument("signer", required=False)
@click.option("--anchors", type=click.Path(path_type=Path), help="What verifiers trust (PEM).")
@click.option("--profile", type=click.Choice(("al1", "al2")), help="Also the C2PA leaf profile.")
@click.pass_obj
def check(output: Output, signer: str | None, anchors: Path | None, profile: str | None) -> None:
    """Check SIGNER: name every fault of its certificates, then sign and verify a picture.

    Exit code 5 when it cannot sign, or (with --profile) does not meet the profile.
    """
    from cryptography.x509 import load_pem_x509_certificates  # noqa: PLC0415

    from guardrail.provenance.checkup import check_signer  # noqa: PLC0415
    from guardrail.provenance.profile import LEVELS  # noqa: PLC0415
    from guardrail.provenance.signers import load_signer  # noqa: PLC0415
    from guardrail.provenance.trust import read_anchors  # noqa: PLC0415

    settings = output.settings
    name = signer or settings.signer
    trusted = load_pem_x509_certificates(read_anchors(anchors).encode()) if anchors else ()
    outcome = check_signer(
        load_signer(name, home=settings.home_dir),
        anchors=trusted,
        level=LEVELS[profile] if profile else None,
    )
    _tell(output, outcome)
    unmet = [f for f in outcome.faults if f.code.startswith("profile.")]
    output.data({"signer": name, "usable": outcome.usable, "problem": outcome.problem,
                 "info": outcome.info, "faults": outcome.faults})  # fmt: skip
    if not outcome.usable:
        raise VerificationFailed("The signer cannot be used.", hint="Mend what is named above.")
    if unmet:
        raise VerificationFailed(f"The certificate does not meet {str(profile).upper()}.")


@keys.command()
@click.option("--key", type=click.Path(path_type=Path), required=True, help="New key file.")
@click.option("-o", "--output", "target", type=click.Path(path_type=Path), required=True,
              metavar="FILE", help="Where the request goes.")  # fmt: skip
@click.option("--common-name", required=True, help="Name of the product that signs.")
@click.option("--organization", required=True)
@click.option("--country", required=True, metavar="XX", help="Two letters.")
@click.option("--passphrase-env", metavar="NAME", help="Variable that holds the passphrase.")
@click.pass_obj
def csr(
    output: Output,
    *,
    key: Path,
    target: Path,
    common_name: str,
    organization: str,
    country: str,
    passphrase_env: str | None,
) -> None:
    """Make a key and a request for a C2PA certificate, to send to an authority."""
    from guardrail.files import write_atomically  # noqa: PLC0415
    from guardrail.provenance.enrolment import Subject, signing_request, write_new_key  # noqa: PLC0415
    from guardrail.provenance.signers.passphrase import Passphrase  # noqa: PLC0415

    secret = Passphrase(variable=passphrase_env).read() if passphrase_env else None
    subject = Subject(common_name, organization, country)
    made = write_new_key(key, secret)
    write_atomically(target, signing_request(made, subject).encode("ascii"))
    output.line(f"key       {key} ({'encrypted' if secret else 'not encrypted'}, for you alone)")
    output.line(f"request   {target}")
    output.data({"key": str(key), "request": str(target), "encrypted": secret is not None})
    if secret is None:
        output.hint("--passphrase-env NAME encrypts the key at rest")


def _show(output: Output, info: SignerInfo) -> None:
    label = "  [development: for trying out only]" if info.development else ""
    output.line(f"signer    {info.subject}{label}")
    output.line(f"kind      {info.kind}, {info.algorithm}")
    output.line(f"until     {info.not_after[:10]}")
    output.line(f"sha256    {info.certificate_sha256}")


def _tell(output: Output, outcome: SignerCheck) -> None:
    if outcome.info:
        _show(output, outcome.info)
    for fault in outcome.faults:
        _tell_fault(output, fault)
    if outcome.problem:
        output.line(f"problem   {outcome.problem}", fg="red")
    elif outcome.tried:
        output.line("trial     a picture was signed and its signature verified", fg="green")


def _tell_fault(output: Output, fault: CertificateFault) -> None:
    style: dict[str, Any] = {"fg": "red" if fault.severity == "error" else "yellow"}
    output.line(f"{fault.severity:<9} {fault.sentence}  [{fault.code}]", **style)
    output.line(f"  which   {fault.certificate}")
    output.line(f"  change  {fault.remedy}")
