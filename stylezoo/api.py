"""The catalog's look-ups as plain functions over the installed plugins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from stylezoo.catalog import default_catalog
from stylezoo.components import Component
from stylezoo.plugin_loader import PluginInfo

if TYPE_CHECKING:
    from stylezoo.interfaces.backbone import Backbone
    from stylezoo.interfaces.loss import Loss
    from stylezoo.interfaces.net import TransformNet
    from stylezoo.interfaces.norm import Norm


def create_backbone(name: str, /, **options: Any) -> Backbone:
    """Make a registered backbone: ``create_backbone("vgg19", weights="caffe_q8")``.

    Raises:
        ComponentNotFoundError: no plugin registers it.
        PluginConflictError: several plugins do; write ``"distribution:name"``.
        OptionError: an option is unknown or out of range.
    """
    return default_catalog().create_backbone(name, **options)


def create_loss(name: str, /, **options: Any) -> Loss:
    """Make a registered loss: ``create_loss("gram", layers=("relu1_2",))``.

    Raises: as ``create_backbone``.
    """
    return default_catalog().create_loss(name, **options)


def create_net(name: str, /, **arguments: Any) -> TransformNet:
    """Make a registered transform net with fresh weights: ``create_net("johnson", width=16)``.

    Raises: as ``create_backbone``.
    """
    return default_catalog().create_net(name, **arguments)


def get_norm(name: str) -> Norm:
    """Return a registered norm: ``get_norm("instance")(8)`` is its layer for 8 channels.

    A conditional norm is a ``ConditionalNorm`` class, which also takes the number of styles:
    ``get_norm("conditional-instance")(8, styles=3)``.

    Raises: as ``create_backbone``.
    """
    return default_catalog().get_norm(name)


def list_backbones() -> list[Component]:
    """The registered backbones, sorted by name."""
    return default_catalog().components("backbone")


def list_losses() -> list[Component]:
    """The registered losses, sorted by name."""
    return default_catalog().components("loss")


def list_nets() -> list[Component]:
    """The registered transform nets, sorted by name."""
    return default_catalog().components("net")


def list_norms() -> list[Component]:
    """The registered norms, sorted by name."""
    return default_catalog().components("norm")


def list_plugins() -> tuple[PluginInfo, ...]:
    """Every plugin found, with its status."""
    return default_catalog().plugins
