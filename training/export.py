"""Writes the shipped directory: half-precision safetensors in diffusers' own layout."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline

from training import clip, controlnet, data, decoder, parser, tokenizer, unet

SHIPPED = Path(__file__).parent.parent / "guardrail" / "embedded"
PARTS = ("vae", "text_encoder", "tokenizer", "unet", "scheduler")


@torch.no_grad()
def bake_normalisation(model: AutoencoderKL) -> AutoencoderKL:
    """Move the latents' mean and deviation into the quantisation layers.

    The UNet was trained on latents of mean 0 and deviation 1 a channel; Stable Diffusion's
    pipelines know one scaling factor only, so the exact transformation goes into the weights.
    """
    stored = torch.load(unet.LATENTS, weights_only=True)
    mean, deviation = stored["mean"], stored["deviation"]
    quant, post = model.quant_conv, model.post_quant_conv
    quant.weight[:4] /= deviation.view(4, 1, 1, 1)
    quant.bias[:4] = (quant.bias[:4] - mean) / deviation
    quant.bias[4:] -= 2 * deviation.log()  # the log-variance scales with it
    post.bias += post.weight[:, :, 0, 0] @ mean
    post.weight *= deviation.view(1, 4, 1, 1)
    return model


def encode_latents() -> None:
    """Encode all training pictures with the trained autoencoder."""
    unet.encode_latents(decoder.trained())


def pipeline() -> StableDiffusionPipeline:
    """Return the pipeline of the averaged weights."""
    autoencoder = decoder.trained()
    trained = torch.load(unet.CHECKPOINT, weights_only=True)["average"]
    denoiser, text = unet.make(), parser.make()
    denoiser.load_state_dict(_part(trained, "unet."))
    text.load_state_dict(_part(trained, "text."))
    return StableDiffusionPipeline(
        vae=bake_normalisation(autoencoder).eval(),
        text_encoder=text.eval(),
        tokenizer=tokenizer.load(),
        unet=denoiser.eval(),
        scheduler=unet.scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def _part(state: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}


def export(folder: Path = SHIPPED) -> None:
    """Write everything to a temporary directory, then put the parts in place."""
    fresh = data.WORK / "export"
    shutil.rmtree(fresh, ignore_errors=True)
    pipeline().to(dtype=torch.float16).save_pretrained(fresh)
    for name in ("vocab.json", "merges.txt"):  # for transformers 4, which reads these
        shutil.copy(tokenizer.FOLDER / name, fresh / "tokenizer" / name)
    if clip.CHECKPOINT.exists():
        clip.export(fresh / "open_clip")
    if controlnet.CHECKPOINT.exists():
        controlnet.trained().to(dtype=torch.float16).save_pretrained(fresh / "controlnet")
    index = json.loads((fresh / "model_index.json").read_text())
    (fresh / "model_index.json").write_text(json.dumps(index, indent=2, sort_keys=True) + "\n")
    folder.mkdir(parents=True, exist_ok=True)
    for part in (*PARTS, "open_clip", "controlnet", "model_index.json"):
        source, target = fresh / part, folder / part
        if not source.exists():
            continue
        if target.is_dir():
            shutil.rmtree(target)
        shutil.move(source, target)
    for path in folder.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)  # safetensors writes files for one's own
    total = sum(path.stat().st_size for path in folder.rglob("*.safetensors"))
    print(f"exported {total / 1e6:.1f} MB of weights")
