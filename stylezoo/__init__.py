"""stylezoo: neural style transfer with named, versioned, pretrained styles.

    import stylezoo

    style = stylezoo.load("great-wave@1")
    style("photo.jpg").save("photo-great-wave.png")

Importing this package does not import torch, numpy or Pillow: each name below is
imported from its module on first use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stylezoo import errors
    from stylezoo.api import (
        create_backbone,
        create_loss,
        create_net,
        get_norm,
        list_backbones,
        list_losses,
        list_nets,
        list_norms,
        list_plugins,
    )
    from stylezoo.cache import cache_dir
    from stylezoo.catalog import Catalog
    from stylezoo.components import Component
    from stylezoo.errors import StyleZooError
    from stylezoo.evaluation import EvaluationConfig, evaluate_style
    from stylezoo.hookspecs import Register, hookimpl
    from stylezoo.images import Photo, open_photo, save_photo
    from stylezoo.interfaces.backbone import Backbone
    from stylezoo.interfaces.callback import TrainingCallback
    from stylezoo.interfaces.importer import ImportedNet, Importer
    from stylezoo.interfaces.loss import Loss
    from stylezoo.interfaces.net import MultiStyleNet, TransformNet
    from stylezoo.interfaces.norm import ConditionalNorm, Norm
    from stylezoo.interfaces.runtime import Runtime
    from stylezoo.interfaces.source import RegistrySource
    from stylezoo.loading import load
    from stylezoo.objective import PerceptualObjective, Term, build_objective
    from stylezoo.objective_config import ObjectiveConfig, TermConfig
    from stylezoo.optimization import OptimizationConfig, StyleInput, optimize
    from stylezoo.optimization.reconstruction import reconstruct
    from stylezoo.plugin_loader import PLUGIN_API, PluginInfo
    from stylezoo.region import Region
    from stylezoo.registry.config import RegistryConfig
    from stylezoo.registry.entry import StyleEntry
    from stylezoo.registry.folder import FolderSource
    from stylezoo.registry.listing import list_styles
    from stylezoo.registry.record import Licence, Record, StyleImage
    from stylezoo.style import Style
    from stylezoo.train import StyleDescription, TrainingConfig, TrainingFolders, train_style
    from stylezoo.train.trainer import StepReport

__version__ = "0.1.0"

_HOMES = {
    "stylezoo.errors": ["StyleZooError"],
    "stylezoo.loading": ["load"],
    "stylezoo.style": ["Style"],
    "stylezoo.images": ["Photo", "open_photo", "save_photo"],
    "stylezoo.api": [
        "create_backbone",
        "create_loss",
        "create_net",
        "get_norm",
        "list_backbones",
        "list_losses",
        "list_nets",
        "list_norms",
        "list_plugins",
    ],
    "stylezoo.cache": ["cache_dir"],
    "stylezoo.catalog": ["Catalog"],
    "stylezoo.components": ["Component"],
    "stylezoo.plugin_loader": ["PLUGIN_API", "PluginInfo"],
    "stylezoo.hookspecs": ["Register", "hookimpl"],
    "stylezoo.interfaces.backbone": ["Backbone"],
    "stylezoo.interfaces.callback": ["TrainingCallback"],
    "stylezoo.interfaces.importer": ["ImportedNet", "Importer"],
    "stylezoo.interfaces.loss": ["Loss"],
    "stylezoo.interfaces.net": ["MultiStyleNet", "TransformNet"],
    "stylezoo.interfaces.norm": ["ConditionalNorm", "Norm"],
    "stylezoo.interfaces.runtime": ["Runtime"],
    "stylezoo.interfaces.source": ["RegistrySource"],
    "stylezoo.registry.config": ["RegistryConfig"],
    "stylezoo.registry.entry": ["StyleEntry"],
    "stylezoo.registry.folder": ["FolderSource"],
    "stylezoo.registry.listing": ["list_styles"],
    "stylezoo.registry.record": ["Licence", "Record", "StyleImage"],
    "stylezoo.objective": ["PerceptualObjective", "Term", "build_objective"],
    "stylezoo.objective_config": ["ObjectiveConfig", "TermConfig"],
    "stylezoo.optimization": ["OptimizationConfig", "StyleInput", "optimize"],
    "stylezoo.optimization.reconstruction": ["reconstruct"],
    "stylezoo.region": ["Region"],
    "stylezoo.evaluation": ["EvaluationConfig", "evaluate_style"],
    "stylezoo.train": ["StyleDescription", "TrainingConfig", "TrainingFolders", "train_style"],
    "stylezoo.train.trainer": ["StepReport"],
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "PLUGIN_API",
    "Backbone",
    "Catalog",
    "Component",
    "ConditionalNorm",
    "EvaluationConfig",
    "FolderSource",
    "ImportedNet",
    "Importer",
    "Licence",
    "Loss",
    "MultiStyleNet",
    "Norm",
    "ObjectiveConfig",
    "OptimizationConfig",
    "PerceptualObjective",
    "Photo",
    "PluginInfo",
    "Record",
    "Region",
    "Register",
    "RegistryConfig",
    "RegistrySource",
    "Runtime",
    "StepReport",
    "Style",
    "StyleDescription",
    "StyleEntry",
    "StyleImage",
    "StyleInput",
    "StyleZooError",
    "Term",
    "TermConfig",
    "TrainingCallback",
    "TrainingConfig",
    "TrainingFolders",
    "TransformNet",
    "__version__",
    "build_objective",
    "cache_dir",
    "create_backbone",
    "create_loss",
    "create_net",
    "errors",
    "evaluate_style",
    "get_norm",
    "hookimpl",
    "list_backbones",
    "list_losses",
    "list_nets",
    "list_norms",
    "list_plugins",
    "list_styles",
    "load",
    "open_photo",
    "optimize",
    "reconstruct",
    "save_photo",
    "train_style",
]


def __getattr__(name: str) -> Any:
    if name == "errors":
        return importlib.import_module("stylezoo.errors")
    if name not in _HOME_OF:
        raise AttributeError(f"module 'stylezoo' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME_OF[name]), name)
    globals()[name] = value  # the next look-up bypasses this function
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
