"""The types of options that several commands have."""

from __future__ import annotations

import click

from stylezoo.seeding import LARGEST_SEED

POSITIVE = click.FloatRange(min=0, min_open=True)
SEED = click.IntRange(0, LARGEST_SEED)
PRECISION = click.Choice(["auto", "bf16", "fp32"])  # stylezoo.device.Precision, without torch
