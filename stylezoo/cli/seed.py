"""The type of the commands' ``--seed`` options."""

from __future__ import annotations

import click

from stylezoo.seeding import LARGEST_SEED

SEED = click.IntRange(0, LARGEST_SEED)
