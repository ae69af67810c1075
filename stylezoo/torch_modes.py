"""Use torch's default modes temporarily, as the calling program may have set others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import torch

from stylezoo.process_setting import ProcessSetting

_DEFAULT_DTYPE = ProcessSetting(torch.get_default_dtype, torch.set_default_dtype)


@contextmanager
def plain_modes() -> Iterator[None]:
    """In this block: float32 on the CPU by default, gradients, no inference mode, no autocast.

    The previous modes are restored after it.
    """
    with ExitStack() as modes:
        modes.enter_context(_DEFAULT_DTYPE.at(torch.float32))
        modes.enter_context(torch.inference_mode(False))
        modes.enter_context(torch.enable_grad())
        if torch.get_default_device().type != "cpu":  # else it would slow every torch call
            modes.enter_context(torch.device("cpu"))
        for device in ("cpu", "cuda", "mps"):
            if torch.is_autocast_enabled(device):
                modes.enter_context(torch.autocast(device, enabled=False))
        yield
