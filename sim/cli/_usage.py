"""How typer's help and complaints look: flags without a type, a wrong command line in one line."""

from __future__ import annotations

import importlib
import sys
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from sim.cli._streams import discard, err

UsageError: Any = typer.BadParameter.__base__  # typer gives it no public name


class PlainCommand(TyperCommand):
    """A command whose help shows flags as taking no value, and arguments without braces."""

    def get_params(self, ctx: Any) -> list[Any]:
        """The parameters, as help lists them."""
        return _plain_flags(super().get_params(ctx))

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """The parts of the usage line."""
        return [piece.strip("{}") for piece in super().collect_usage_pieces(ctx)]


class LazyGroup(TyperGroup):
    """The commands together; imports the one that is called, from the module of its name.

    Says in one line what is wrong with a command line.
    """

    def get_params(self, ctx: Any) -> list[Any]:
        """The parameters, as help lists them."""
        return _plain_flags(super().get_params(ctx))

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[Any, Any, list[str]]:
        """The command that is called, imported, and its arguments."""
        name, _, rest = super().resolve_command(ctx, args)
        return name, None if name is None else _loaded(name), rest

    def main(self, *args: Any, **extra: Any) -> Any:
        """Runs a command line, and exits."""
        try:
            sys.exit(super().main(*args, **extra | {"standalone_mode": False}))
        except UsageError as error:
            message = " ".join(error.format_message().split())
            if message:  # none where help was shown instead
                stop = "" if message.endswith((".", "?")) else "."
                name = error.ctx.command_path
                err.print(f"{name}: {message}{stop} See {name} --help.", markup=False)
            sys.exit(error.exit_code)
        except OSError as fault:  # of help: what commands print never ends them
            discard(sys.stdout)
            err.print(f"interdyn: stdout could not be written: {fault.strerror}.", markup=False)
            sys.exit(2)


def _loaded(name: str) -> Any:
    from sim.cli._console import plain_errors  # needs the packages that --help does without

    function = getattr(importlib.import_module(f"sim.cli.{name}"), name)
    single = typer.Typer(add_completion=False)
    single.command(name=name, cls=PlainCommand)(plain_errors(function))
    return typer.main.get_command(single)


def _plain_flags(params: list[Any]) -> list[Any]:
    for param in params:
        if getattr(param, "is_flag", False):
            param.metavar = ""
    return params
