"""Plans as YAML files: read without trusting them."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from fraktal_kernel.agents.plans.model import Plan
from fraktal_kernel.core.faults import sentence_of
from fraktal_kernel.errors import InvalidInput, NotFound

MAX_BYTES = 1024**2


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """Plain values only: no tags, no anchors that multiply, no name twice, dates as texts."""

    yaml_implicit_resolvers = {  # noqa: RUF012  as the base class has it
        first: [(tag, rule) for tag, rule in rules if not tag.endswith(":timestamp")]
        for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Refuse what stands for another place of the file."""
        if self.check_event(yaml.AliasEvent):
            raise InvalidInput("a plan cannot use YAML's anchors and aliases; write it out.")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Refuse a name that is given twice."""
        names = [self.construct_object(key, deep=True) for key, _ in node.value]
        for name in names:
            if not isinstance(name, str):
                raise InvalidInput(f"line {node.start_mark.line + 1}: {name!r:.40} is no name.")
            if names.count(name) > 1:
                raise InvalidInput(f"line {node.start_mark.line + 1}: {name!r} is given twice.")
        found: dict[Hashable, Any] = super().construct_mapping(node, deep)
        return found


def read_values(text: str, what: str) -> Any:
    """Read YAML, of which JSON is a part.

    Raises
    ------
    InvalidInput
        it is none, or uses what plans may not
    """
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise InvalidInput(f"{what}{where}: {problem}.") from None
    except (RecursionError, ValueError) as error:
        raise InvalidInput(f"{what} cannot be read: {str(error)[:100]}.") from None


def read_plan(path: Path) -> Plan:
    """Read a plan from a file.

    Raises
    ------
    InvalidInput
        it is too large, no YAML, or no plan; with one sentence
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise NotFound(f"there is no file {str(path)!r:.200}.") from None
    except OSError as error:
        raise InvalidInput(f"{str(path)!r:.200} cannot be read ({error.strerror}).") from None
    if len(data) > MAX_BYTES:
        raise InvalidInput(f"{path.name} has more than {MAX_BYTES:,} bytes; a plan is smaller.")
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise InvalidInput(f"{path.name} is no UTF-8 text; expected YAML.") from None
    values = read_values(text, path.name)
    if not isinstance(values, dict):
        raise InvalidInput(f"{path.name}: expected a plan: name, inputs, steps.")
    try:
        return Plan.model_validate({"name": path.stem[:100] or "plan", **values})
    except ValidationError as error:
        raise InvalidInput(f"{path.name}: {sentence_of(error.errors(include_url=False))}") from None
