"""Image optimisation (Gatys et al. 2015) and the reconstructions from single layers."""

from stylezoo.optimization.config import OptimizationConfig
from stylezoo.optimization.inputs import StyleInput
from stylezoo.optimization.run import Iteration, OptimizationResult, optimize

__all__ = [
    "Iteration",
    "OptimizationConfig",
    "OptimizationResult",
    "StyleInput",
    "optimize",
]
