"""The command line: one thin module per command, imported only when it runs."""

from __future__ import annotations

import importlib
import io
import sys
import warnings

import click

from stylezoo import __version__
from stylezoo.cli.output import discard_stdout, print_error
from stylezoo.errors import PluginError, StyleZooError, printable

# Help texts are here, so that --help imports no command.
_COMMANDS = {
    "apply": "Apply a style to photos.",
    "sheet": "Show every style on one photo.",
    "list": "List the styles.",
    "info": "Show everything known about a style.",
    "search": "Search the styles of all registries.",
    "fetch": "Fetch styles for offline use.",
    "update": "Show which fetched styles have newer versions.",
    "verify": "Check the hashes and golden outputs of fetched styles.",
    "lock": "Write exact versions and hashes to a lock file, for reproducible work.",
    "cache": "Show or clean up the cache.",
    "registries": "Show, add and remove registries.",
    "train": "Train a style on a painting.",
    "pack": "Put styles and adapters into one pack.",
    "evaluate": "Measure a style against explicit optimisation.",
    "optimize": "Optimise a photo towards paintings (Gatys et al. 2015).",
    "reconstruct": "Reconstruct a picture from single layers of a backbone.",
    "record": "Make the record of a style.",
    "import": "Convert a checkpoint from another program to a style.",
    "check": "Check a style folder as the zoo's CI does.",
    "publish": "Publish a style to the Hub or a folder.",
    "registry": "Maintain a signed registry.",
    "plugins": "List the plugins and what they provide.",
    "install": "Install a plugin or style pack with pip.",
    "new": "Start a plugin: a small, complete, installable project.",
    "doctor": "Check the installation.",
}

_MODULES = {"import": "import_"}
"""Modules of commands whose name is a Python keyword."""


class LazyGroup(click.Group):
    """A group whose commands are modules of this package, or of plugins, imported on demand."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List the names: stylezoo's own in the order above, then those of plugins."""
        return [*_COMMANDS, *_plugin_commands()]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command. A plugin cannot replace one of stylezoo's own."""
        if cmd_name in _COMMANDS:
            module = importlib.import_module(f"stylezoo.cli.{_MODULES.get(cmd_name, cmd_name)}")
            command: click.Command = module.command
            return command
        return _plugin_command(cmd_name)

    def invoke(self, ctx: click.Context) -> None:
        """Run the command; what a plugin's command returns is not an exit code."""
        super().invoke(ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))
        added = _plugin_commands()
        if added:
            with formatter.section("Commands from plugins"):
                formatter.write_dl(list(added.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Suggest a similar command for a misspelt one."""
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            from difflib import get_close_matches

            near = get_close_matches(args[0], self.list_commands(ctx), n=1)
            advice = f" Did you mean {near[0]!r}?" if near else ""
            ctx.fail(f"No such command {args[0]!r}.{advice}")
        return super().resolve_command(ctx, args)


def _plugin_commands() -> dict[str, str]:
    """The commands of plugins with their summaries.

    A command that shares its name with one of stylezoo's own or of another plugin goes by its full
    name.
    """
    from stylezoo.catalog import default_catalog

    components = default_catalog().components("command")
    names = [*_COMMANDS, *(component.name for component in components)]
    return {
        component.name if names.count(component.name) == 1 else component.full_name: (
            component.summary or f"A command from {component.distribution}."
        )
        for component in components
    }


def _plugin_command(name: str) -> click.Command | None:
    from stylezoo.catalog import default_catalog

    catalog = default_catalog()
    if not catalog.has("command", name):
        return None
    command = catalog.get("command", name)
    if not isinstance(command, click.Command):
        component = catalog.find("command", name)
        raise PluginError(
            f"the command {name!r} of {component.distribution} is {command!r}, which is not a "
            "click.Command; report it to its authors"
        )
    return command


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="stylezoo")
def cli() -> None:
    """Neural style transfer with named, versioned, pretrained styles."""


_shown_warnings: set[str] = set()


def main() -> None:
    """Run the command line and exit: 0 done, 1 failed, 2 wrong usage, 130 interrupted."""
    warnings.showwarning = _show_warning  # type: ignore[assignment]
    _print_any_name()
    try:
        code = cli.main(prog_name="stylezoo", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        code = 130
    except StyleZooError as error:
        print_error(str(error))
        code = 1
    except BrokenPipeError:
        # The reader of our output has stopped; Python would complain once more at exit.
        discard_stdout()
        code = 1
    except OSError as error:
        # A path that is too long, or a folder without permission: not a bug.
        print_error(f"{error.filename or 'a file'}: {error.strerror or error}")
        code = 1
    sys.exit(code)


def _print_any_name() -> None:
    """Let stdout accept every file name, even one that its encoding lacks."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # In UTF-8, a name's bytes are printed as they are on disk, for other programs to read.
        utf8 = sys.stdout.encoding.lower() == "utf-8"
        sys.stdout.reconfigure(errors="surrogateescape" if utf8 else "backslashreplace")


def _show_warning(message: Warning | str, *_: object) -> None:
    """Print a warning once: Python repeats one that is raised from another place in the code."""
    line = printable(" ".join(str(message).split()))
    if line not in _shown_warnings:
        _shown_warnings.add(line)
        click.echo(f"warning: {line}", err=True)
