"""Teaches the text encoder to read before it has seen a picture.

CLIP's text transformer is causal: the first object's tokens cannot know what is said about it
later. The end token and the padding after it see the whole sentence, and Stable Diffusion's UNet
attends to all of them. So those positions are trained to hold the whole description, linearly
readable: what is on the left, in which colour, in which style. Captions cost nothing, pictures do.
"""

from __future__ import annotations

import random
import time

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel

from training import data, tokenizer
from training.captions import caption
from training.meaning import SLOTS, targets
from training.scenes import random_scene
from training.vae import learning_rate

CHECKPOINT = data.WORK / "parser.pt"
WIDTH = 128
BATCH = 96
STEPS = 2500


def make() -> CLIPTextModel:
    """Return the untrained text encoder."""
    size = len(tokenizer.load())
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=size,
            hidden_size=WIDTH,
            intermediate_size=4 * WIDTH,
            projection_dim=WIDTH,
            num_hidden_layers=3,
            num_attention_heads=4,
            max_position_embeddings=tokenizer.CONTEXT,
            hidden_act="quick_gelu",
            bos_token_id=size - 2,
            eos_token_id=size - 1,
            pad_token_id=size - 1,
        )
    )


class Heads(nn.Module):
    """One linear read-out a slot, at any position from the end token on."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes = [len(values) + 1 for values in SLOTS.values()]
        self.linear = nn.Linear(WIDTH, sum(self.sizes))

    def loss(self, hidden: Tensor, wanted: Tensor) -> Tensor:
        """Cross entropy, summed over slots. ``hidden`` (n, width), ``wanted`` (n, slots)."""
        parts = self.linear(hidden).split(self.sizes, dim=-1)
        losses = [F.cross_entropy(part, wanted[:, i]) for i, part in enumerate(parts)]
        return torch.stack(losses).sum()

    def accuracy(self, hidden: Tensor, wanted: Tensor) -> float:
        """Share of sentences of which every slot is read correctly."""
        parts = self.linear(hidden).split(self.sizes, dim=-1)
        right = torch.stack([p.argmax(-1) == wanted[:, i] for i, p in enumerate(parts)], 1)
        return float(right.all(1).float().mean())


def positions(ids: Tensor, generator: torch.Generator) -> Tensor:
    """For each sentence draw a position from its end token to the end of the context."""
    first = (ids == ids[:, -1:]).int().argmax(1)
    room = ids.shape[1] - first
    return first + (torch.rand(len(ids), generator=generator) * room).long()


def batch(rng: random.Random, size: int = BATCH) -> tuple[Tensor, Tensor]:
    """Return (ids, targets) of fresh captions."""
    texts = [caption(random_scene(rng.getrandbits(40)), rng) for _ in range(size)]
    ids = torch.tensor([tokenizer.encode(text) for text in texts])
    return ids, torch.tensor([targets(text) for text in texts])


def train(steps: int = STEPS) -> tuple[CLIPTextModel, Heads]:
    """Train, or load what was trained."""
    torch.manual_seed(12)
    rng, generator = random.Random(12), torch.Generator().manual_seed(12)
    encoder, heads = make(), Heads()
    if CHECKPOINT.exists():
        state = torch.load(CHECKPOINT, weights_only=True)
        encoder.load_state_dict(state["encoder"])
        heads.load_state_dict(state["heads"])
        return encoder, heads
    parameters = [*encoder.parameters(), *heads.parameters()]
    optimiser = torch.optim.AdamW(parameters, 2e-3, betas=(0.9, 0.98), weight_decay=0.01)
    began = time.time()
    for step in range(steps):
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(step, steps, 2e-3)
        ids, wanted = batch(rng)
        where = positions(ids, generator)
        hidden = encoder(ids).last_hidden_state[torch.arange(len(ids)), where]
        loss = heads.loss(hidden, wanted)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        if step % 100 == 0 or step == steps - 1:
            right = heads.accuracy(hidden.detach(), wanted)
            print(
                f"parser {step} {loss.item():.3f} all {right:.3f} {time.time() - began:.0f}s",
                flush=True,
            )
    torch.save({"encoder": encoder.state_dict(), "heads": heads.state_dict()}, CHECKPOINT)
    return encoder, heads
