"""``fraktal capabilities``: what can be run, and what each takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from fraktal_kernel.cli.screen import print_json, table

if TYPE_CHECKING:
    from fraktal_kernel.core.capability import Capability


def find(name: str) -> Capability:
    """Find a capability of this installation, those of the settings' modules included."""
    from fraktal_kernel.core.capability import capabilities
    from fraktal_kernel.core.settings import load_settings
    from fraktal_kernel.errors import InvalidInput

    if name.startswith("-"):
        raise InvalidInput(f"given {name}, expected the name of a capability first.")
    capabilities.use_modules(load_settings().capability_modules)
    return capabilities[name]


def show(found: Capability) -> None:
    """Print a capability's parameters: types, units, defaults, examples."""
    from fraktal_kernel.cli.parameters import options_of, words_of

    print(f"{found.name}: {found.title}\n\n{found.description}\n")
    rows = []
    for option in options_of(found.schema()).values():
        if "." in option.name:
            continue
        unit = option.schema.get("unit", "")
        rows.append(
            (
                f"--{option.name.replace('_', '-')}",
                f"{option.expected}{f', in {unit}' if unit else ''}",
                "needed" if option.required else _default(option.default),
                option.schema.get("description", ""),
            )
        )
    if rows:
        table(("parameter", "takes", "default", "what it means"), rows)
    for example in found.examples:
        print(f"fraktal run {found.name} {words_of(example)}")


def _default(value: Any) -> str:
    import json

    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value)


def list_capabilities(
    name: Annotated[str | None, typer.Argument(help="Tell all about this one.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List what can be run, or the parameters of one capability."""
    from fraktal_kernel.core.capability import capabilities
    from fraktal_kernel.core.settings import load_settings

    if name is not None:
        found = find(name)
        print_json(found.describe()) if as_json else show(found)
        return
    capabilities.use_modules(load_settings().capability_modules)
    if as_json:
        print_json([found.describe() for found in capabilities.values()])
        return
    rows = [(found.name, found.title, found.description) for found in capabilities.values()]
    table(("name", "title", "what it does"), rows)
    print("fraktal capabilities NAME tells what one takes.")
