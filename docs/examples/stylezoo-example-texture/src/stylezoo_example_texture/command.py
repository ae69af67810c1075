"""The command ``stylezoo orientations``: a photo coloured by the directions of its texture."""

from __future__ import annotations

import math
from pathlib import Path

import click


@click.command()
@click.argument("photo", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="Picture.")
@click.option("--overwrite", is_flag=True, help="Replace an existing picture.")
def orientations(photo: Path, output: Path, overwrite: bool) -> None:
    """Colour PHOTO by the direction of its finest texture, as the backbone gabor answers to it.

    The hue is the direction; the brightness, how much more of it there is than of the others.
    """
    # Only now: --help needs none of them.
    import torch
    from PIL import Image

    from stylezoo import open_photo, save_photo
    from stylezoo_example_texture.backbone import COLORS, PHASES, GaborBackbone

    pixels = torch.from_numpy(open_photo(photo).rgb).permute(2, 0, 1)[None]
    answers = GaborBackbone()(pixels, ["scale1"])["scale1"][0]
    energy = answers.unflatten(0, (COLORS, -1, PHASES)).square().sum(dim=(0, 2))
    # A direction and its opposite are one: the circle of hues is half a turn.
    angles = torch.arange(len(energy)) * (2 * math.pi / len(energy))
    x = (energy * angles.cos()[:, None, None]).sum(dim=0)
    y = (energy * angles.sin()[:, None, None]).sum(dim=0)
    hue = torch.atan2(y, x) / (2 * math.pi) % 1
    strength = torch.hypot(x, y).sqrt()
    strength = strength / strength.max().clamp(min=1e-6)
    colors = torch.stack([hue, torch.ones_like(hue), strength], dim=-1)
    picture = Image.fromarray((colors * 255).round().byte().numpy(), mode="HSV").convert("RGB")
    save_photo(open_photo(picture), output, overwrite=overwrite)
    click.echo(str(output))
