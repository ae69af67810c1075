"""Training a transform net against a perceptual objective (Johnson et al. 2016)."""

from stylezoo.train.config import TrainingConfig
from stylezoo.train.pack import PackDescription, make_pack
from stylezoo.train.style import StyleDescription, train_style
from stylezoo.train.trainer import StepReport

__all__ = [
    "PackDescription",
    "StepReport",
    "StyleDescription",
    "TrainingConfig",
    "make_pack",
    "train_style",
]
