"""A training that takes seconds: a small net and a random backbone."""

import sys

from stylezoo.registry.record import Licence, StyleImage
from stylezoo.train.config import TrainingConfig
from stylezoo.train.description import StyleDescription


def config(material, **changes):
    options = {
        "style_images": {"waves": material / "waves.png"},
        "photos": material / "photos",
        "net_arguments": {"width": 4, "residual_blocks": 1},
        "backbone": "vgg16",
        "backbone_options": {"weights": "random", "seed": 0},
        "steps": 8,
        "batch_size": 2,
        "crop_sizes": (32,),
        "style_size": 64,
        "precision": "fp32",
        "style_weight": 5.0,
    }
    return TrainingConfig(**{**options, **changes})


def description(licence="unknown", *, name="waves", styles=("waves",)):
    """Describe the style that the config makes; the licence is the painting's."""
    work = StyleImage(title="Waves", artist="numpy", year="2026", source="a formula")
    return StyleDescription(
        name=name,
        version="1.0.0",
        summary=name,
        tags=(),
        images=dict.fromkeys(styles, work),
        author="tests",
        data="one photo",
        licence=Licence(
            weights="CC0-1.0", code="MIT", style_image=licence, training_data="unknown"
        ),
        command="none",
    )


def weights(trainer):
    return {name: tensor.clone() for name, tensor in trainer.averaged_net().state_dict().items()}


def train_command(material, output, *more):
    return [
        *(sys.executable, "-m", "stylezoo", "train", material / "waves.png"),
        *("--photos", material / "photos", "-o", output, "--name", "waves"),
        *("--backbone", "vgg16", "--backbone-weights", material / "vgg.safetensors"),
        *(
            "--steps",
            "24",
            "--batch-size",
            "2",
            "--crop-size",
            "32",
            "--style-size",
            "64",
            "--width",
            "4",
        ),
        *("--checkpoint-every", "1", "--samples-every", "12", "--precision", "fp32", *more),
    ]
