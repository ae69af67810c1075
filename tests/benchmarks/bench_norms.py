"""Batch norm against instance norm: two nets trained alike from scratch on one painting.

    python tests/benchmarks/bench_norms.py PAINTING --photos FOLDER --held-out FOLDER

Ulyanov, Vedaldi and Lempitsky 2016 (arXiv 1607.08022, section 3) found the lower loss with instance
norm. Prints the terms of the objective on photos that neither net has seen.
"""

import argparse
import time
from pathlib import Path
from statistics import fmean

import torch

from stylezoo import TrainingConfig, open_photo
from stylezoo.allocator import reuse_freed_memory
from stylezoo.catalog import default_catalog
from stylezoo.images import find_photos
from stylezoo.optimization.inputs import to_tensor
from stylezoo.train.trainer import Trainer


def trained(norm, options):
    config = TrainingConfig(
        style_images={"painting": options.painting},
        photos=options.photos,
        net_arguments={"width": options.width, "norm": norm},
        steps=options.steps,
        half_crops=1.0,
        style_weight=5.0,
        optimizer="adam",
        norm_learning_rate=1e-3,
    )
    trainer = Trainer(config, default_catalog())
    started = time.perf_counter()
    with reuse_freed_memory():
        for _ in trainer.run():
            pass
    return trainer, time.perf_counter() - started


@torch.no_grad()
def terms_on(trainer, photos, size):
    """Return the mean of each term over the photos."""
    net = trainer.averaged_net()
    values = []
    for path in photos:
        photo = to_tensor(open_photo(path).resized(size).rgb)
        height, width = (side // net.stride * net.stride for side in photo.shape[-2:])
        photo = photo[..., :height, :width]
        targets = {**trainer.style_targets[0], **trainer.objective.targets(photo, "content")}
        value = trainer.objective(net(photo), targets)
        values.append({"objective": value.total, **value.terms})
    return {name: fmean(float(value[name]) for value in values) for name in values[0]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("painting", type=Path)
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--held-out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--size", type=int, default=256)
    options = parser.parse_args()
    photos = find_photos(options.held_out)
    for norm in ("instance", "batch"):
        trainer, seconds = trained(norm, options)
        terms = terms_on(trainer, photos, options.size)
        shown = "  ".join(f"{name} {value:.4f}" for name, value in terms.items())
        print(f"{norm:8}  {shown}  ({options.steps} steps in {seconds:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
