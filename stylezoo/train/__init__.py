"""Training a transform net against a perceptual objective (Johnson et al. 2016)."""

from stylezoo.train.config import TrainingConfig
from stylezoo.train.style import StyleDescription, train_style
from stylezoo.train.trainer import StepReport

__all__ = ["StepReport", "StyleDescription", "TrainingConfig", "train_style"]
