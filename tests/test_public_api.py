"""The names stylezoo exports: a change here is a change for users."""

import stylezoo

NAMES = {
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
}


def test_the_exported_names():
    assert set(stylezoo.__all__) == NAMES
    assert all(getattr(stylezoo, name) is not None for name in NAMES)


def test_every_error_is_in_the_one_tree():
    import inspect

    from stylezoo import errors

    classes = [value for value in vars(errors).values() if inspect.isclass(value)]
    assert all(issubclass(value, errors.StyleZooError) for value in classes)
    assert all(value.__name__ in errors.__doc__ for value in classes)
