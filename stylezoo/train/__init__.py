"""Training a transform net against a perceptual objective (Johnson et al. 2016)."""

from stylezoo.train.config import TrainingConfig
from stylezoo.train.description import PackDescription, StyleDescription
from stylezoo.train.pack import make_pack
from stylezoo.train.style import TrainingFolders, train_style
from stylezoo.train.trainer import StepReport

__all__ = [
    "PackDescription",
    "StepReport",
    "StyleDescription",
    "TrainingConfig",
    "TrainingFolders",
    "make_pack",
    "train_style",
]
