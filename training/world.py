"""Draws scenes: 128x128 RGB, at twice the size and scaled down for clean edges."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from training.scenes import COLOURS, HAIR_COLOURS, SKINS, Scene

SIZE = 128
SCALE = 2
INK = (40, 36, 44)
RGB = tuple[int, int, int]


class Canvas:
    """A picture in world coordinates: 0..128, y downwards."""

    def __init__(self, scene: Scene) -> None:
        self.rng = random.Random(scene.seed ^ 0x5EED)
        self.image = Image.new("RGB", (SIZE * SCALE, SIZE * SCALE))
        self.pen = ImageDraw.Draw(self.image)
        self.outlined = scene.style == "outline"

    def fill(self, colour: RGB) -> None:
        """Fill the whole picture."""
        self.image.paste(colour, (0, 0, *self.image.size))

    def gradient(self, top: RGB, bottom: RGB, until: float) -> None:
        """Fill from the top edge to ``until`` with a vertical gradient."""
        height = int(until * SCALE)
        ramp = np.linspace(0, 1, height)[:, None, None]
        rows = (1 - ramp) * np.array(top) + ramp * np.array(bottom)
        band = np.broadcast_to(rows, (height, SIZE * SCALE, 3)).astype(np.uint8)
        self.image.paste(Image.fromarray(np.ascontiguousarray(band)), (0, 0))

    def polygon(self, points: Sequence[tuple[float, float]], colour: RGB) -> None:
        """Draw a filled polygon, inked in outline style."""
        scaled = [(x * SCALE, y * SCALE) for x, y in points]
        self.pen.polygon(scaled, fill=colour)
        if self.outlined:
            self.pen.line([*scaled, scaled[0], scaled[1]], INK, 3 * SCALE, joint="curve")

    def ellipse(self, x: float, y: float, rx: float, ry: float, colour: RGB) -> None:
        """Draw a filled ellipse around (x, y), inked in outline style."""
        box = [(x - rx) * SCALE, (y - ry) * SCALE, (x + rx) * SCALE, (y + ry) * SCALE]
        width = 3 * SCALE if self.outlined else 0
        self.pen.ellipse(box, fill=colour, outline=INK if self.outlined else None, width=width)

    def rectangle(self, x0: float, y0: float, x1: float, y1: float, colour: RGB) -> None:
        """Draw a filled rectangle, inked in outline style."""
        self.polygon([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], colour)

    def line(self, points: Sequence[tuple[float, float]], colour: RGB, width: float) -> None:
        """Draw a polyline."""
        scaled = [(x * SCALE, y * SCALE) for x, y in points]
        self.pen.line(scaled, colour, int(width * SCALE), joint="curve")


def draw(scene: Scene) -> Image.Image:
    """Return the picture of a scene, 128x128 RGB. The same scene gives the same pixels."""
    canvas = Canvas(scene)
    {"shape": _shapes, "pair": _shapes, "landscape": _landscape, "portrait": _portrait}[scene.kind](
        canvas, scene
    )
    small = canvas.image.resize((SIZE, SIZE), Image.Resampling.BOX)
    if scene.style == "pixel art":
        return small.resize((32, 32), Image.Resampling.BOX).resize(
            (SIZE, SIZE), Image.Resampling.NEAREST
        )
    return _watercolour(small, scene.seed) if scene.style == "watercolor" else small


def _watercolour(image: Image.Image, seed: int) -> Image.Image:
    """Soften edges, wash the colours towards paper and vary the pigment slowly."""
    rng = np.random.default_rng(seed)
    soft = np.asarray(image.filter(ImageFilter.GaussianBlur(1.2)), dtype=np.float32)
    coarse = Image.fromarray(rng.integers(0, 255, (7, 7), dtype=np.uint8))
    wash = np.asarray(coarse.resize(image.size, Image.Resampling.BICUBIC), dtype=np.float32) / 255
    amount = (0.05 + 0.24 * wash)[..., None]
    paper = np.array([252, 249, 240], dtype=np.float32)
    return Image.fromarray((soft * (1 - amount) + paper * amount).clip(0, 255).astype(np.uint8))


def shape_points(shape: str, x: float, y: float, r: float) -> list[tuple[float, float]]:
    """Return the outline of a shape of radius ``r`` around (x, y)."""
    if shape == "square":
        s = r * 0.86
        return [(x - s, y - s), (x + s, y - s), (x + s, y + s), (x - s, y + s)]
    if shape == "triangle":
        return [(x, y - r), (x + r, y + r * 0.8), (x - r, y + r * 0.8)]
    if shape == "heart":
        return [
            (
                x + r * 0.062 * 16 * math.sin(t) ** 3,
                y
                - r
                * 0.062
                * (13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)),
            )
            for t in np.linspace(0, 2 * math.pi, 48, endpoint=False)
        ]
    corners, inner = {"circle": (40, 1.0), "hexagon": (6, 1.0), "star": (10, 0.45)}[shape]
    radii = [r * 1.08 if shape == "star" else r, r * inner]
    return [
        (
            x + radii[i % 2] * math.sin(2 * math.pi * i / corners),
            y - radii[i % 2] * math.cos(2 * math.pi * i / corners),
        )
        for i in range(corners)
    ]


def _shapes(canvas: Canvas, scene: Scene) -> None:
    canvas.fill(COLOURS[scene.background or "white"])
    jitter = canvas.rng.uniform
    if scene.relation is None:
        radius = {None: 34.0, "small": 17.0, "large": 50.0}[scene.size] * jitter(0.92, 1.08)
        room = max(2.0, 60 - radius)
        centres = [(64 + jitter(-room, room) * 0.5, 64 + jitter(-room, room) * 0.5)]
        radii = [radius]
    else:
        away = jitter(29, 33)
        dx, dy = {
            "left of": (-away, 0.0),
            "right of": (away, 0.0),
            "above": (0.0, -away),
            "below": (0.0, away),
        }[scene.relation]
        wobble = [jitter(-6, 6) for _ in range(4)]
        centres = [
            (64 + dx + wobble[0] * (dx == 0), 64 + dy + wobble[1] * (dy == 0)),
            (64 - dx + wobble[2] * (dx == 0), 64 - dy + wobble[3] * (dy == 0)),
        ]
        radii = [jitter(20, 25), jitter(20, 25)]
    for (colour, shape), (x, y), radius in zip(scene.objects, centres, radii, strict=True):
        canvas.polygon(shape_points(shape, x, y, radius), COLOURS[colour])


SKIES: dict[str, tuple[RGB, RGB]] = {
    "day": ((120, 190, 245), (205, 232, 250)),
    "sunset": ((120, 72, 150), (252, 160, 84)),
    "night": ((14, 20, 52), (42, 54, 104)),
}
GROUND_COLOURS: dict[str, RGB] = {
    "grass": (108, 176, 84),
    "sand": (232, 206, 140),
    "snow": (238, 243, 250),
    "water": (60, 130, 190),
}


def _dim(colour: RGB, time: str | None) -> RGB:
    """Darken a ground colour at sunset and at night."""
    keep, tint = {"day": (1.0, (0, 0, 0)), "sunset": (0.82, (60, 20, 10))}.get(
        time or "day", (0.45, (4, 8, 34))
    )
    mixed = [min(255, int(c * keep + t * 0.4)) for c, t in zip(colour, tint, strict=True)]
    return (mixed[0], mixed[1], mixed[2])


def _landscape(canvas: Canvas, scene: Scene) -> None:
    horizon = 82 + canvas.rng.uniform(-3, 3)
    canvas.gradient(*SKIES[scene.time or "day"], until=SIZE)
    _sky(canvas, scene.time or "day")
    if scene.mountains:
        _mountains(canvas, horizon, scene.time or "day")
    outlined, canvas.outlined = canvas.outlined, False
    ground = _dim(GROUND_COLOURS[scene.ground or "grass"], scene.time)
    canvas.rectangle(-4, horizon, SIZE + 4, SIZE + 4, ground)
    canvas.outlined = outlined
    if outlined:
        canvas.line([(0, horizon), (SIZE, horizon)], INK, 2)
    x = 64 + canvas.rng.uniform(-12, 12)
    if scene.companion:
        side = 42 if x < 64 else -42
        _tree(canvas, x + side, horizon + 12, 0.62, COLOURS["green"])
    base = COLOURS[scene.colour or "red"]
    {"house": _house, "boat": _boat, "car": _car}.get(
        scene.subject or "", lambda c, cx, cy, col: _tree(c, cx, cy, 1.15, col)
    )(canvas, x, horizon + 16, base)


def _sky(canvas: Canvas, time: str) -> None:
    rng = canvas.rng
    outlined, canvas.outlined = canvas.outlined, False
    if time == "night":
        for _ in range(16):
            x, y = rng.uniform(4, 124), rng.uniform(4, 66)
            canvas.ellipse(x, y, 0.9, 0.9, (250, 246, 214))
        canvas.ellipse(rng.uniform(18, 110), 20, 9, 9, (250, 242, 196))
    elif time == "sunset":
        canvas.ellipse(rng.uniform(20, 108), 66, 13, 13, (255, 222, 120))
    else:
        canvas.ellipse(rng.choice((20, 108)), 20, 11, 11, (255, 226, 92))
        x, y = rng.uniform(30, 98), rng.uniform(16, 34)
        for dx, r in ((-9, 6.0), (0, 8.5), (9, 6.0)):
            canvas.ellipse(x + dx, y, r, r * 0.7, (252, 253, 255))
    canvas.outlined = outlined


def _mountains(canvas: Canvas, horizon: float, time: str) -> None:
    for middle, height, shade in ((26, 40, 0.92), (100, 46, 1.0), (64, 30, 0.84)):
        colour = _dim((int(128 * shade), int(138 * shade), int(160 * shade)), time)
        x = middle + canvas.rng.uniform(-8, 8)
        half, top = height * 0.95, horizon - height
        canvas.polygon([(x - half, horizon), (x, top), (x + half, horizon)], colour)
        peak = height * 0.28
        cap = [(x - peak * 0.95, top + peak), (x, top), (x + peak * 0.95, top + peak)]
        canvas.polygon(cap, _dim((246, 248, 252), "day" if time == "day" else time))


def _house(canvas: Canvas, x: float, y: float, colour: RGB) -> None:
    roof = (122, 60, 44) if sum(colour) > 200 else (196, 92, 60)
    canvas.rectangle(x - 24, y - 32, x + 24, y, colour)
    canvas.polygon([(x - 30, y - 32), (x, y - 56), (x + 30, y - 32)], roof)
    canvas.rectangle(x - 6, y - 18, x + 6, y, (92, 58, 40))
    for side in (-15, 15):
        canvas.rectangle(x + side - 5, y - 26, x + side + 5, y - 16, (255, 240, 170))


def _boat(canvas: Canvas, x: float, y: float, colour: RGB) -> None:
    y -= 4
    hull = [(x - 32, y - 8), (x + 32, y - 8), (x + 22, y + 8), (x - 22, y + 8)]
    canvas.polygon(hull, colour)
    canvas.line([(x, y - 52), (x, y - 8)], (110, 76, 50), 3)
    canvas.polygon([(x + 3, y - 50), (x + 27, y - 14), (x + 3, y - 14)], (250, 248, 240))
    canvas.polygon([(x - 3, y - 44), (x - 21, y - 14), (x - 3, y - 14)], (236, 230, 216))


def _car(canvas: Canvas, x: float, y: float, colour: RGB) -> None:
    cabin = [(x - 20, y - 20), (x - 12, y - 34), (x + 12, y - 34), (x + 22, y - 20)]
    canvas.polygon(cabin, colour)
    glass = [(x - 14, y - 21), (x - 9, y - 31), (x + 10, y - 31), (x + 16, y - 21)]
    canvas.polygon(glass, (196, 226, 240))
    canvas.rectangle(x - 34, y - 21, x + 34, y - 6, colour)
    for side in (-19, 19):
        canvas.ellipse(x + side, y - 5, 8.5, 8.5, (38, 38, 44))
        canvas.ellipse(x + side, y - 5, 3.5, 3.5, (196, 198, 204))


def _tree(canvas: Canvas, x: float, y: float, size: float, colour: RGB) -> None:
    canvas.rectangle(x - 4 * size, y - 26 * size, x + 4 * size, y, (120, 80, 50))
    for dx, dy, r in ((-13, -34, 15), (13, -34, 15), (0, -50, 18)):
        canvas.ellipse(x + dx * size, y + dy * size, r * size, r * size, colour)
    outlined, canvas.outlined = canvas.outlined, False
    canvas.ellipse(x, y - 38 * size, 15 * size, 11 * size, colour)
    canvas.outlined = outlined


def _portrait(canvas: Canvas, scene: Scene) -> None:
    canvas.fill(COLOURS[scene.background or "white"])
    skin = SKINS[canvas.rng.randrange(len(SKINS))]
    hair = HAIR_COLOURS[scene.hair or "black"]
    shirt = COLOURS[scene.shirt or "blue"]
    x = 64 + canvas.rng.uniform(-5, 5)
    y = 58 + canvas.rng.uniform(-2, 2)
    if scene.hair_length == "long":
        canvas.ellipse(x, y + 2, 31, 37, hair)
        canvas.rectangle(x - 31, y, x + 31, y + 42, hair)
    canvas.ellipse(x, 134, 45, 38, shirt)
    canvas.rectangle(x - 9, y + 22, x + 9, y + 44, skin)
    canvas.ellipse(x, y - 6, 27, 29, hair)
    canvas.ellipse(x, y + 4, 23, 28, skin)
    _fringe(canvas, x, y, hair)
    if scene.beard:
        _beard(canvas, x, y, hair)
    _face(canvas, scene, x, y, skin)
    if scene.hat:
        colour = COLOURS[scene.hat]
        canvas.rectangle(x - 21, y - 46, x + 21, y - 20, colour)
        canvas.rectangle(x - 34, y - 25, x + 34, y - 18, colour)


def _fringe(canvas: Canvas, x: float, y: float, hair: RGB) -> None:
    box = [(x - 25) * SCALE, (y - 35) * SCALE, (x + 25) * SCALE, (y + 9) * SCALE]
    canvas.pen.chord(box, 186, 354, fill=hair)


def _beard(canvas: Canvas, x: float, y: float, hair: RGB) -> None:
    box = [(x - 22) * SCALE, (y - 10) * SCALE, (x + 22) * SCALE, (y + 35) * SCALE]
    canvas.pen.chord(box, 14, 166, fill=hair)


def _face(canvas: Canvas, scene: Scene, x: float, y: float, skin: RGB) -> None:
    outlined, canvas.outlined = canvas.outlined, False
    for side in (-9, 9):
        canvas.ellipse(x + side, y + 2, 2.6, 3.2, INK)
    canvas.line([(x, y + 6), (x - 2.5, y + 13), (x + 1.5, y + 13)], _dim(skin, "sunset"), 1.6)
    lips = (170, 60, 66)
    if scene.smile:
        box = [(x - 9) * SCALE, (y + 9) * SCALE, (x + 9) * SCALE, (y + 23) * SCALE]
        canvas.pen.chord(box, 10, 170, fill=(252, 250, 248), outline=lips, width=2 * SCALE)
    else:
        canvas.line([(x - 7, y + 19), (x + 7, y + 19)], lips, 2.2)
    if scene.glasses:
        for side in (-10, 10):
            box = [
                (x + side - 8) * SCALE,
                (y - 6) * SCALE,
                (x + side + 8) * SCALE,
                (y + 10) * SCALE,
            ]
            canvas.pen.ellipse(box, outline=(26, 26, 32), width=int(2.4 * SCALE))
        canvas.line([(x - 2.5, y + 1), (x + 2.5, y + 1)], (26, 26, 32), 2.2)
    canvas.outlined = outlined
