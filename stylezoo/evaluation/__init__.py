"""The measured quality of feed-forward styles (Johnson et al. 2016, section 4.1)."""

from stylezoo.evaluation.equivalent import Curve
from stylezoo.evaluation.evaluate import (
    Evaluation,
    EvaluationConfig,
    PhotoMeasure,
    evaluate_style,
)

__all__ = ["Curve", "Evaluation", "EvaluationConfig", "PhotoMeasure", "evaluate_style"]
