"""The optimizers of a net: Muon for its convolutions, Adam for its norms."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import nn

from stylezoo.train.config import TrainingConfig


def build_optimizers(net: nn.Module, config: TrainingConfig) -> list[torch.optim.Optimizer]:
    """Build the optimizers of a net's trainable weights, that of the kernels first, if any.

    An adapter learns norms alone, whatever these are made of.

    ``initial_lr`` of each parameter group is its peak rate.
    """
    layers = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)
    weights = {id(module.weight) for module in net.modules() if isinstance(module, layers)}
    kernels: list[nn.Parameter] = []
    others: list[nn.Parameter] = []
    for parameter in net.parameters():
        if parameter.requires_grad:
            # A net may apply a kernel of its own; a scale of shape (1, C, 1, 1) is none.
            is_filter = parameter.ndim == 4 and max(parameter.shape[2:]) > 1
            is_kernel = is_filter or id(parameter) in weights
            is_norm = config.only_norm or not is_kernel
            (others if is_norm else kernels).append(parameter)
    optimizers: list[torch.optim.Optimizer] = []
    if kernels:
        kind = KernelMuon if config.optimizer == "muon" else torch.optim.Adam
        optimizers.append(kind(kernels, lr=config.learning_rate))
    if others:
        optimizers.append(torch.optim.Adam(others, lr=config.norm_learning_rate))
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["initial_lr"] = group["lr"]
    return optimizers


class KernelMuon(torch.optim.Muon):
    """Muon (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/) for convolutions.

    Each kernel is treated as one matrix, with a row per filter, as in the source. A step is as
    long as Adam's at the same rate (Liu et al. 2025, arXiv 2502.16982, section 2.2).

    Args:
        kernels: each of shape (out, in, height, width) or (out, in).
        lr: the learning rate.
    """

    def __init__(self, kernels: Iterable[nn.Parameter], lr: float) -> None:
        self._kernels = list(kernels)
        # Muon only takes matrices, and a kernel in channels-last order cannot be viewed as one.
        matrices = [nn.Parameter(kernel.detach().flatten(1).clone()) for kernel in self._kernels]
        super().__init__(matrices, lr=lr, weight_decay=0.0, adjust_lr_fn="match_rms_adamw")

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Move each kernel that has a gradient."""
        (group,) = self.param_groups
        for kernel, matrix in zip(self._kernels, group["params"], strict=True):
            matrix.copy_(kernel.flatten(1))
            matrix.grad = None if kernel.grad is None else kernel.grad.flatten(1)
        super().step(closure)  # type: ignore[no-untyped-call]
        for kernel, matrix in zip(self._kernels, group["params"], strict=True):
            kernel.copy_(matrix.view_as(kernel))
