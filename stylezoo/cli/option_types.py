"""The types of options that several commands have."""

from __future__ import annotations

import click

from stylezoo.seeding import LARGEST_SEED

# The least is stylezoo.optimization.config.MINIMUM_SIZE, which needs torch.
OPTIMIZED_SIZE = click.IntRange(min=16)
AT_LEAST_ONE = click.IntRange(min=1)
POSITIVE = click.FloatRange(min=0, min_open=True)
SEED = click.IntRange(0, LARGEST_SEED)
PRECISION = click.Choice(["auto", "bf16", "fp32"])  # stylezoo.device.Precision, without torch
