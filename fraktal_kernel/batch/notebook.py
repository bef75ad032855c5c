"""A notebook as batch work sees it: its cells, its parameters, the hash of what it says."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fraktal_kernel.batch.parameters import Parameter, check_parameters, read_cell
from fraktal_kernel.batch.places import beside, read_bytes, scheme, split, whole
from fraktal_kernel.core.store.keys import as_part
from fraktal_kernel.errors import InvalidInput


@dataclass(frozen=True, slots=True)
class Notebook:
    """One notebook that is ready to be run.

    Attributes
    ----------
    place : the path or URL it was read from
    name : its file name without ``.ipynb``, as every store can hold it
    content : the notebook itself, as Jupyter's JSON
    sha256 : hash of what its cells say; outputs, counts and cell ids do not change it
    parameters : what it asks for
    """

    place: str
    name: str
    content: dict[str, Any] = field(repr=False)
    sha256: str
    parameters: dict[str, Parameter] = field(repr=False)

    @classmethod
    def read(cls, place: str) -> Notebook:
        """Read a notebook from a path or any fsspec URL."""
        place = whole(place)
        name = split(place)[1]
        if not name.endswith(".ipynb"):
            raise InvalidInput(f"{place} is not a notebook; its name has to end in .ipynb.")
        content = _parse(place, read_bytes(place))
        return cls(
            place=place,
            name=as_part(name.removesuffix(".ipynb")),
            content=content,
            sha256=_hash(content),
            parameters=_parameters(content),
        )

    @property
    def folder(self) -> str | None:
        """The folder it lies in, where that is one of this machine."""
        return split(self.place)[0] if scheme(self.place) == "file" else None

    @property
    def file(self) -> str:
        """Its file name."""
        return f"{self.name}.ipynb"

    def check(self, given: Mapping[str, Any], *, typed: bool = False) -> dict[str, Any]:
        """Check parameters against this notebook; see :func:`check_parameters`."""
        return check_parameters(self.parameters, given, typed=typed)

    def filled(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Put the notebook's own plain defaults under the parameters that were given."""
        own = {name: p.default for name, p in self.parameters.items() if p.has_default}
        return own | dict(given)

    def digest(self, given: Mapping[str, Any]) -> str:
        """Hash what decides the result: what the cells say and every parameter."""
        facts = {"notebook": self.sha256, "parameters": self.filled(given)}
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()

    def folder_in(self, out: str, given: Mapping[str, Any]) -> str:
        """Name the folder of one run below ``out``: what differs from the defaults, then digest."""
        own = self.filled({})
        told = [f"{n}-{v}" for n, v in sorted(given.items()) if own.get(n, ...) != v]
        clean = "_".join("".join(c if c.isalnum() or c in "-." else "-" for c in t) for t in told)
        label = clean.encode("ascii", "replace").decode().replace("?", "-")[:80] or "defaults"
        return beside(out, f"{label}_{self.digest(given)[:8]}")


def _parse(place: str, data: bytes) -> dict[str, Any]:
    try:
        content = json.loads(data)
        if not isinstance(content, dict) or not isinstance(content.get("cells"), list):
            raise ValueError("it has no list of cells")
        if content.get("nbformat") != 4:
            raise ValueError(f"its format is {content.get('nbformat')}, expected 4")
        for number, cell in enumerate(content["cells"], 1):
            if not _is_cell(cell):
                raise ValueError(f"cell {number} is not a cell")
            cell["source"] = "".join(cell["source"])
    except ValueError as error:
        raise InvalidInput(f"{place} is not a notebook that can be read: {error}.") from None
    return content


def _is_cell(cell: Any) -> bool:
    if not isinstance(cell, dict) or not isinstance(cell.get("cell_type"), str):
        return False
    metadata, source = cell.setdefault("metadata", {}), cell.get("source")
    if not isinstance(metadata, dict) or not isinstance(metadata.get("tags", []), list):
        return False
    lines = source if isinstance(source, list) else [source]
    return all(isinstance(line, str) for line in [*lines, *metadata.get("tags", [])])


def _kernel(content: dict[str, Any]) -> dict[str, Any]:
    metadata = content.get("metadata")
    kernel = metadata.get("kernelspec") if isinstance(metadata, dict) else None
    return kernel if isinstance(kernel, dict) else {}


def _hash(content: dict[str, Any]) -> str:
    cells = [
        [cell["cell_type"], cell["source"], sorted(cell["metadata"].get("tags", []))]
        for cell in content["cells"]
    ]
    name = _kernel(content).get("name", "")
    return hashlib.sha256(json.dumps([name, cells]).encode()).hexdigest()


def _parameters(content: dict[str, Any]) -> dict[str, Parameter]:
    for cell in content["cells"]:
        if "parameters" in cell["metadata"].get("tags", []):
            break
    else:
        return {}
    if _kernel(content).get("language", "python") == "python":
        return read_cell(cell["source"])
    return _other_language(content)


def _other_language(content: dict[str, Any]) -> dict[str, Parameter]:
    """Take names from Papermill, which reads more languages but knows no types there."""
    import nbformat
    from papermill import inspect_notebook

    found = inspect_notebook(nbformat.from_dict(content))
    return {
        name: Parameter(name, Any, None, False, facts["default"], facts["help"])
        for name, facts in found.items()
    }
