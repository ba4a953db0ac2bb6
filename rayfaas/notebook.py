"""`%load_ext rayfaas`: cells that deploy the functions which they define.

    %%rayfaas deploy -m "why"
    @rayfaas.function
    def area(width: float, height: float) -> float:
        return width * height

`%%rayfaas dev --call '{"width": 2, "height": 3}'` deploys to an alias of your own, calls it, and shows what comes back.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from typing import Any, NoReturn

from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, cell_magic, magics_class

from rayfaas.declared import Declared
from rayfaas.default import DEFAULT
from rayfaas.deploy import told
from rayfaas.errors import RayfaasError
from rayfaas.names import LIVE, own_alias


def load_ipython_extension(shell: InteractiveShell) -> None:
    """What `%load_ext rayfaas` calls."""
    shell.register_magics(RayfaasMagics)


@magics_class
class RayfaasMagics(Magics):
    @cell_magic
    def rayfaas(self, line: str, cell: str) -> Any:
        """Run the cell, then deploy the functions and classes that it declares."""
        options = _options(line)
        shell: Any = self.shell
        names = shell.user_ns
        before = dict(names)
        if not shell.run_cell(cell).success:
            return None
        made = [value for name, value in names.items() if isinstance(value, Declared) and before.get(name) is not value]
        if not made:
            raise UsageError("The cell declares nothing: decorate a function with @rayfaas.function.")
        try:
            return _deployed(made, options)
        except RayfaasError as error:
            print(_text(error), file=sys.stderr)  # noqa: T201 a notebook shows it below the cell
            return None


def _deployed(made: list[Declared], options: argparse.Namespace) -> Any:
    client = DEFAULT.get()
    is_dev = options.what == "dev"
    alias = options.alias or (own_alias(client.whoami()["principal"]) if is_dev else LIVE)
    over = {"force": is_dev or options.force, "breaking": is_dev or options.breaking}
    for each in made:
        deployed = client.deploy(each, alias=alias, team=options.team, message=options.message, **over)
        print(told(deployed), file=sys.stderr)  # noqa: T201
    if options.call is None and options.run is None:
        return None
    name, _, method = (options.run or made[0].name).partition(".")
    declared = next((each for each in made if each.name == name), made[0])
    team = options.team or declared.team
    target = f"{team + '/' if team else ''}{name}{'.' + method if method else ''}@{alias}"
    args, kwargs = _arguments(options.call)
    return client.answer(target, args, kwargs, on_log=_show)


def _arguments(data: str | None) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if data is None:
        return (), {}
    try:
        value = json.loads(data)
    except json.JSONDecodeError as error:
        raise UsageError(f"--call is not JSON: {error}") from None
    return ((), value) if isinstance(value, dict) else ((value,), {})


def _text(error: RayfaasError) -> str:
    """Of code that did not import, the user's own traceback before it."""
    trace = error.extra.get("traceback")
    return f"{trace}\n{error.detail}" if trace else error.detail


def _show(line: dict[str, Any]) -> None:
    sys.stderr.write(str(line.get("text", "")))


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(f"%%rayfaas: {message}")


def _options(line: str) -> argparse.Namespace:
    parser = _Parser(prog="%%rayfaas", add_help=False)
    parser.add_argument("what", choices=["deploy", "dev"])
    parser.add_argument("-m", "--message")
    parser.add_argument("--alias")
    parser.add_argument("--team")
    parser.add_argument("--call")
    parser.add_argument("--run")
    parser.add_argument("--force", action="store_true")
    parser.add_argument("--breaking", action="store_true")
    try:
        words = shlex.split(line)
    except ValueError as error:
        raise UsageError(f"%%rayfaas: {error}") from None
    return parser.parse_args(words)
