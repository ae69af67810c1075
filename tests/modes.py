"""Torch modes that a program may have set: context managers by name."""

from contextlib import contextmanager

import torch


@contextmanager
def double():
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.set_default_dtype(torch.float32)


@contextmanager
def gradients_off():
    torch.set_grad_enabled(False)
    try:
        yield
    finally:
        torch.set_grad_enabled(True)


@contextmanager
def elsewhere():
    torch.set_default_device("meta")  # stands for a GPU
    try:
        yield
    finally:
        torch.set_default_device(None)


MODES = {
    "double": double,
    "gradients off": gradients_off,
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "default device": elsewhere,
    "autocast": lambda: torch.autocast("cpu"),
}
