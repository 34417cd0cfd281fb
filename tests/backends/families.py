"""One small pipeline with random weights for each family of models, built here.

Each function returns a pipeline of the family's own class, with text encoders and tokenizers of the
kind the family uses. Their pictures mean nothing; their calls, files and quirks are the real ones.
"""

from __future__ import annotations

import inspect
import string
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from tests.models import tiny_stable_diffusion, tiny_tokenizer

WIDTH = 32
"""Of every text encoder."""


def autoencoder(latents: int, *, blocks: int = 2, **options: Any) -> Any:
    """An image autoencoder that shrinks by 2 for each block but the first."""
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=(8,) * blocks,
        down_block_types=("DownEncoderBlock2D",) * blocks,
        up_block_types=("UpDecoderBlock2D",) * blocks,
        norm_num_groups=4,
        latent_channels=latents,
        **options,
    ).eval()


def clip_text(tokenizer: Any, *, projected: bool = False) -> Any:
    """A CLIP text encoder for ``tokenizer``."""
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    config = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=WIDTH,
        num_hidden_layers=2,
        num_attention_heads=4,
        projection_dim=WIDTH,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return (CLIPTextModelWithProjection if projected else CLIPTextModel)(config).eval()


def t5() -> tuple[Any, Any]:
    """A T5 encoder and its tokenizer, whose pieces are single characters."""
    from transformers import T5Config, T5EncoderModel, T5Tokenizer

    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -1.0)]
    pieces += [(character, -2.0) for character in string.ascii_letters + string.digits]
    tokenizer = T5Tokenizer(vocab=pieces, extra_ids=0, model_max_length=512)
    config = T5Config(
        vocab_size=len(tokenizer), d_model=WIDTH, d_kv=8, d_ff=WIDTH, num_layers=1, num_heads=4
    )
    return T5EncoderModel(config).eval(), tokenizer


def qwen_tokenizer() -> Any:
    """A byte-level tokenizer of the Qwen kind without merges."""
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import Qwen2Tokenizer

    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    vocab = {
        piece: number for number, piece in enumerate([*sorted(ByteLevel.alphabet()), *special])
    }
    tokenizer = Qwen2Tokenizer(vocab=vocab, merges=[], additional_special_tokens=special[1:])
    each = "<|im_start|>{{ m['role'] }} {{ m['content'] }}<|im_end|>"
    tokenizer.chat_template = "{% for m in messages %}" + each + "{% endfor %}"
    return tokenizer


def stable_diffusion_2(folder: Path) -> Any:
    """As 1.x, with v-prediction."""
    from diffusers import DDIMScheduler

    pipeline = tiny_stable_diffusion(folder)
    pipeline.scheduler = DDIMScheduler.from_config(
        pipeline.scheduler.config, prediction_type="v_prediction"
    )
    return pipeline


def latent_consistency(folder: Path) -> Any:
    """Distilled: guidance is an input of the denoiser, and there is no unguided half."""
    from diffusers import LatentConsistencyModelPipeline, LCMScheduler, UNet2DConditionModel

    base = tiny_stable_diffusion(folder)
    config = dict(base.unet.config) | {"time_cond_proj_dim": 32}
    config.pop("_use_default_values", None)  # it would undo the change
    unet = UNet2DConditionModel.from_config(config)
    return LatentConsistencyModelPipeline(
        **base.components
        | {"unet": unet.eval(), "scheduler": LCMScheduler.from_config(base.scheduler.config)},
        requires_safety_checker=False,
    )


def sdxl(folder: Path) -> Any:
    """Two CLIP encoders, size and crop as conditions."""
    from diffusers import EulerDiscreteScheduler, StableDiffusionXLPipeline, UNet2DConditionModel

    first, second = tiny_tokenizer(folder / "1"), tiny_tokenizer(folder / "2")
    unet = UNet2DConditionModel(
        sample_size=32,
        block_out_channels=(8, 16),
        layers_per_block=1,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=4,
        use_linear_projection=True,
        addition_embed_type="text_time",
        addition_time_embed_dim=8,
        projection_class_embeddings_input_dim=6 * 8 + WIDTH,
        cross_attention_dim=2 * WIDTH,
        norm_num_groups=4,
    )
    return StableDiffusionXLPipeline(
        vae=autoencoder(4, sample_size=64),
        text_encoder=clip_text(first),
        text_encoder_2=clip_text(second, projected=True),
        tokenizer=first,
        tokenizer_2=second,
        unet=unet.eval(),
        scheduler=EulerDiscreteScheduler(beta_schedule="scaled_linear", steps_offset=1),
        add_watermarker=False,
    )


def stable_diffusion_3(folder: Path) -> Any:
    """A transformer under flow matching, with two CLIP encoders and a T5."""
    from diffusers import (
        FlowMatchEulerDiscreteScheduler,
        SD3Transformer2DModel,
        StableDiffusion3Pipeline,
    )

    first, second = tiny_tokenizer(folder / "1"), tiny_tokenizer(folder / "2")
    encoder, third = t5()
    transformer = SD3Transformer2DModel(
        sample_size=32,
        patch_size=2,
        in_channels=16,
        num_layers=2,  # a ControlNet has no say in the last one
        attention_head_dim=8,
        num_attention_heads=4,
        joint_attention_dim=WIDTH,
        caption_projection_dim=WIDTH,
        pooled_projection_dim=2 * WIDTH,
        out_channels=16,
    )
    return StableDiffusion3Pipeline(
        transformer=transformer.eval(),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=autoencoder(16, shift_factor=0.06),
        text_encoder=clip_text(first, projected=True),
        tokenizer=first,
        text_encoder_2=clip_text(second, projected=True),
        tokenizer_2=second,
        text_encoder_3=encoder,
        tokenizer_3=third,
    )


def flux(folder: Path, *, guidance_embeds: bool = True) -> Any:
    """Guidance-distilled; latents are packed two by two."""
    from diffusers import FlowMatchEulerDiscreteScheduler, FluxPipeline, FluxTransformer2DModel

    tokenizer = tiny_tokenizer(folder)
    encoder, second = t5()
    transformer = FluxTransformer2DModel(
        in_channels=16,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=WIDTH,
        pooled_projection_dim=WIDTH,
        axes_dims_rope=(4, 4, 8),
        guidance_embeds=guidance_embeds,
    )
    return FluxPipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(),
        vae=autoencoder(4, shift_factor=0.1),
        text_encoder=clip_text(tokenizer),
        tokenizer=tokenizer,
        text_encoder_2=encoder,
        tokenizer_2=second,
        transformer=transformer.eval(),
    )


def flux_schnell(folder: Path) -> Any:
    """Flux without a guidance input."""
    return flux(folder, guidance_embeds=False)


def pixart(folder: Path) -> Any:
    """A transformer on T5, with sizes drawn from a list of its own."""
    from diffusers import DDIMScheduler, PixArtSigmaPipeline, PixArtTransformer2DModel

    del folder
    encoder, tokenizer = t5()
    transformer = PixArtTransformer2DModel(
        sample_size=32,
        num_layers=1,
        attention_head_dim=8,
        num_attention_heads=4,
        caption_channels=WIDTH,
        cross_attention_dim=WIDTH,
        in_channels=4,
        out_channels=8,
    )
    return PixArtSigmaPipeline(
        tokenizer=tokenizer,
        text_encoder=encoder,
        vae=autoencoder(4, blocks=4),
        transformer=transformer.eval(),
        scheduler=DDIMScheduler(),
    )


def sana(folder: Path) -> Any:
    """A linear transformer on a deep-compression autoencoder and Gemma."""
    from diffusers import (
        AutoencoderDC,
        FlowMatchEulerDiscreteScheduler,
        SanaPipeline,
        SanaTransformer2DModel,
    )
    from transformers import Gemma2Config, Gemma2Model, GemmaTokenizer

    del folder
    pieces = ["<pad>", "<eos>", "<bos>", "<unk>", "▁", *string.printable]
    tokenizer = GemmaTokenizer(vocab={piece: n for n, piece in enumerate(pieces)}, merges=[])
    encoder = Gemma2Model(
        Gemma2Config(
            vocab_size=len(tokenizer),
            hidden_size=WIDTH,
            intermediate_size=WIDTH,
            num_hidden_layers=1,
            num_attention_heads=2,
            num_key_value_heads=2,
            head_dim=16,
        )
    )
    transformer = SanaTransformer2DModel(
        in_channels=4,
        out_channels=4,
        num_layers=1,
        num_attention_heads=2,
        attention_head_dim=8,
        num_cross_attention_heads=2,
        cross_attention_head_dim=8,
        cross_attention_dim=16,
        caption_channels=WIDTH,
        sample_size=16,
    )
    vae = AutoencoderDC(
        latent_channels=4,
        attention_head_dim=4,
        encoder_block_types=("ResBlock", "EfficientViTBlock"),
        decoder_block_types=("ResBlock", "EfficientViTBlock"),
        encoder_block_out_channels=(8, 8),
        decoder_block_out_channels=(8, 8),
        encoder_qkv_multiscales=((), (5,)),
        decoder_qkv_multiscales=((), (5,)),
        encoder_layers_per_block=(1, 1),
        decoder_layers_per_block=(1, 1),
        downsample_block_type="conv",
        upsample_block_type="interpolate",
        decoder_norm_types="rms_norm",
        decoder_act_fns="silu",
    )
    return SanaPipeline(
        tokenizer=tokenizer,
        text_encoder=encoder.eval(),
        vae=vae.eval(),
        transformer=transformer.eval(),
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
    )


def qwen_image(folder: Path) -> Any:
    """A transformer on a vision-language model, with a video autoencoder."""
    from diffusers import (
        AutoencoderKLQwenImage,
        FlowMatchEulerDiscreteScheduler,
        QwenImagePipeline,
        QwenImageTransformer2DModel,
    )
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration

    del folder
    tokenizer = qwen_tokenizer()
    rope = {"mrope_section": [1, 1, 2], "rope_type": "default", "rope_theta": 1_000_000.0}
    text = {
        "vocab_size": len(tokenizer),
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
        "rope_parameters": rope,
    }
    vision = {
        "depth": 1,
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_heads": 2,
        "out_hidden_size": 16,
    }
    encoder = Qwen2_5_VLForConditionalGeneration(
        Qwen2_5_VLConfig(text_config=text, vision_config=vision)
    )
    transformer = QwenImageTransformer2DModel(
        in_channels=16,
        out_channels=4,
        num_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=16,
        axes_dims_rope=(8, 4, 4),
    )
    vae = AutoencoderKLQwenImage(
        base_dim=8,
        z_dim=4,
        dim_mult=[1, 2, 4],
        num_res_blocks=1,
        temperal_downsample=[False, True],
        latents_mean=[0.0] * 4,
        latents_std=[1.0] * 4,
    )
    return QwenImagePipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(),
        vae=vae.eval(),
        text_encoder=encoder.eval(),
        tokenizer=tokenizer,
        transformer=transformer.eval(),
    )


def z_image(folder: Path) -> Any:
    """A single-stream transformer on Qwen 3."""
    from diffusers import FlowMatchEulerDiscreteScheduler, ZImagePipeline, ZImageTransformer2DModel
    from transformers import Qwen3Config, Qwen3Model

    del folder
    tokenizer = qwen_tokenizer()
    encoder = Qwen3Model(
        Qwen3Config(
            vocab_size=len(tokenizer),
            hidden_size=16,
            intermediate_size=16,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=2,
            head_dim=8,
        )
    )
    transformer = ZImageTransformer2DModel(
        in_channels=4,
        dim=32,
        n_layers=1,
        n_refiner_layers=1,
        n_heads=2,
        n_kv_heads=2,
        cap_feat_dim=16,
        axes_dims=[8, 4, 4],
        axes_lens=[1024, 64, 64],
    )
    with torch.no_grad():  # made with torch.empty, whatever lay in memory
        transformer.x_pad_token.fill_(0.1)
        transformer.cap_pad_token.fill_(0.1)
    return ZImagePipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(),
        vae=autoencoder(4, shift_factor=0.1),
        text_encoder=encoder.eval(),
        tokenizer=tokenizer,
        transformer=transformer.eval(),
    )


def kandinsky(folder: Path) -> Any:
    """A prior that turns words into an image embedding, and a decoder that draws it."""
    from diffusers import (
        DDIMScheduler,
        KandinskyV22CombinedPipeline,
        PriorTransformer,
        UnCLIPScheduler,
        UNet2DConditionModel,
        VQModel,
    )
    from transformers import (
        CLIPImageProcessor,
        CLIPVisionConfig,
        CLIPVisionModelWithProjection,
    )

    tokenizer = tiny_tokenizer(folder)
    prior = PriorTransformer(
        num_attention_heads=2, attention_head_dim=8, embedding_dim=WIDTH, num_layers=1
    )
    with torch.no_grad():
        prior.clip_std.fill_(1.0)
    vision = CLIPVisionConfig(
        hidden_size=WIDTH,
        image_size=32,
        patch_size=16,
        projection_dim=WIDTH,
        intermediate_size=WIDTH,
        num_attention_heads=4,
        num_hidden_layers=1,
    )
    unet = UNet2DConditionModel(
        sample_size=32,
        in_channels=4,
        out_channels=8,
        addition_embed_type="image",
        down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
        up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
        mid_block_type="UNetMidBlock2DSimpleCrossAttn",
        block_out_channels=(32, 64),
        layers_per_block=1,
        encoder_hid_dim=WIDTH,
        encoder_hid_dim_type="image_proj",
        cross_attention_dim=WIDTH,
        attention_head_dim=8,
        resnet_time_scale_shift="scale_shift",
    )
    movq = VQModel(
        block_out_channels=(32, 64),
        down_block_types=("DownEncoderBlock2D", "AttnDownEncoderBlock2D"),
        up_block_types=("AttnUpDecoderBlock2D", "UpDecoderBlock2D"),
        latent_channels=4,
        norm_num_groups=4,
        norm_type="spatial",
        num_vq_embeddings=12,
        vq_embed_dim=4,
    )
    return KandinskyV22CombinedPipeline(
        unet=unet.eval(),
        scheduler=DDIMScheduler(beta_schedule="linear", clip_sample=False, steps_offset=1),
        movq=movq.eval(),
        prior_prior=prior.eval(),
        prior_image_encoder=CLIPVisionModelWithProjection(vision).eval(),
        prior_text_encoder=clip_text(tokenizer, projected=True),
        prior_tokenizer=tokenizer,
        prior_scheduler=UnCLIPScheduler(
            variance_type="fixed_small_log", prediction_type="sample", clip_sample_range=10.0
        ),
        prior_image_processor=CLIPImageProcessor(crop_size=32, size=32),
    )


FAMILIES: dict[str, Callable[[Path], Any]] = {
    "Stable Diffusion 1": tiny_stable_diffusion,
    "Stable Diffusion 2": stable_diffusion_2,
    "LCM": latent_consistency,
    "SDXL": sdxl,
    "Stable Diffusion 3": stable_diffusion_3,
    "Flux": flux,
    "Flux schnell": flux_schnell,
    "PixArt": pixart,
    "Sana": sana,
    "Qwen-Image": qwen_image,
    "Z-Image": z_image,
    "Kandinsky 2": kandinsky,
}


def save(name: str, folder: Path) -> Path:
    """Build the family's pipeline, save it, and return its directory."""
    torch.manual_seed(7)
    place = folder / name.replace(" ", "-").lower()
    FAMILIES[name](folder / "tokenizer").save_pretrained(place)
    return place


def save_controlnet(name: str, pipeline: Any, folder: Path) -> Path:
    """Save a ControlNet with random weights that fits a family's ``pipeline``."""
    import diffusers

    torch.manual_seed(7)
    if name == "SDXL":
        network = diffusers.ControlNetModel.from_unet(
            pipeline.unet, conditioning_embedding_out_channels=(16, 32)
        )
    else:
        kind = {"Stable Diffusion 3": "SD3ControlNetModel", "Flux": "FluxControlNetModel"}[name]
        cls = getattr(diffusers, kind)
        known = inspect.signature(cls.__init__).parameters
        shape = {k: v for k, v in pipeline.transformer.config.items() if k in known}
        network = cls(**shape)
    with torch.no_grad():  # a fresh ControlNet adds nothing: its last layers are zero
        for parameter in network.parameters():
            if not parameter.any():
                parameter.normal_(std=0.3)
    network.save_pretrained(folder)
    return folder
