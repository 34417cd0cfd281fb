"""Small diffusers pipelines with random weights, built here: nothing is downloaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def tiny_tokenizer(folder: Path) -> Any:
    """Return a CLIPTokenizer whose vocabulary is single characters."""
    from transformers import CLIPTokenizer

    folder.mkdir(parents=True, exist_ok=True)
    letters = "abcdefghijklmnopqrstuvwxyz0123456789,.'-"
    words = [*letters, *(f"{c}</w>" for c in letters), "<|startoftext|>", "<|endoftext|>"]
    vocab = {word: number for number, word in enumerate(words)}
    (folder / "vocab.json").write_text(json.dumps(vocab))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return CLIPTokenizer(
        vocab=str(folder / "vocab.json"),
        merges=str(folder / "merges.txt"),
        model_max_length=77,
    )


def tiny_stable_diffusion(folder: Path, *, seed: int = 0, halvings: int = 1) -> Any:
    """Return a ``StableDiffusionPipeline`` of about 100,000 random parameters, 64x64 native; its
    latents are ``2**halvings`` times smaller than its pictures."""
    import torch
    from diffusers import (
        AutoencoderKL,
        DDIMScheduler,
        StableDiffusionPipeline,
        UNet2DConditionModel,
    )
    from transformers import CLIPTextConfig, CLIPTextModel

    torch.manual_seed(seed)
    tokenizer = tiny_tokenizer(folder)
    text_encoder = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=32,
            intermediate_size=37,
            num_hidden_layers=2,
            num_attention_heads=4,
            projection_dim=32,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    unet = UNet2DConditionModel(
        sample_size=32,
        block_out_channels=(16, 32),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=32,
        norm_num_groups=4,
        attention_head_dim=4,
    )
    vae = AutoencoderKL(
        block_out_channels=(8,) + (16,) * halvings,
        down_block_types=("DownEncoderBlock2D",) * (1 + halvings),
        up_block_types=("UpDecoderBlock2D",) * (1 + halvings),
        norm_num_groups=4,
        latent_channels=4,
    )
    scheduler = DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    )
    return StableDiffusionPipeline(
        vae=vae.eval(),
        text_encoder=text_encoder.eval(),
        tokenizer=tokenizer,
        unet=unet.eval(),
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def tiny_controlnet(folder: Path, *, seed: int = 0) -> Path:
    """Write a ControlNet with random weights that fits :func:`tiny_stable_diffusion`."""
    import torch
    from diffusers import ControlNetModel

    torch.manual_seed(seed)
    unet = tiny_stable_diffusion(folder / "tokenizer", seed=seed).unet
    network = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=(16, 32))
    with torch.no_grad():  # a fresh ControlNet adds nothing: its last layers are zero
        entry = network.controlnet_cond_embedding.conv_out
        for layer in (*network.controlnet_down_blocks, network.controlnet_mid_block, entry):
            layer.weight.normal_(std=0.3)
    network.save_pretrained(folder / "controlnet")
    return folder / "controlnet"


def tiny_open_clip(folder: Path, *, seed: int = 0) -> Path:
    """Write an open_clip model of about 20,000 random parameters as a ``local-dir:``; return its
    folder. Its image tower has BatchNorm, as the embedded one has."""
    import open_clip
    import torch
    from safetensors.torch import save_file

    tokenizer = tiny_tokenizer(folder)
    tokenizer.save_pretrained(folder)
    config = {
        "embed_dim": 16,
        "quick_gelu": True,
        "vision_cfg": {
            "layers": [1, 1, 1, 1],
            "width": 8,
            "head_width": 8,
            "image_size": 32,
        },
        "text_cfg": {
            "context_length": 77,
            "vocab_size": len(tokenizer),
            "width": 16,
            "heads": 2,
            "layers": 1,
            "hf_tokenizer_name": "this-directory",
        },
    }
    (folder / "open_clip_config.json").write_text(
        json.dumps({"model_cfg": config, "preprocess_cfg": {"size": 32}})
    )
    torch.manual_seed(seed)
    text = {k: v for k, v in config["text_cfg"].items() if k != "hf_tokenizer_name"}
    model = open_clip.CLIP(**(config | {"text_cfg": text}))
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    return folder
