"""Ctrl-K: find every capability, page, scene and job, and open it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from fraktal_kernel.errors import FraktalError
from fraktal_widgets.assets import joined
from fraktal_widgets.capability_form import CapabilityForm, catalog
from fraktal_widgets.latest import LatestOnly

if TYPE_CHECKING:
    from fraktal_kernel.core.workbench import Workbench

JOBS_LISTED = 50


class CommandPalette(anywidget.AnyWidget):
    """Find anything by a few of its letters; a capability opens its form.

    Parameters
    ----------
    workbench : whose jobs are found; None opens the default workbench
    form : where a capability is opened; None makes a form of its own, shown below in notebooks
    links : where an entry of a kind leads in a page, such as ``{"job": "/#job-{name}"}``; an
        entry without a link is only told, see :attr:`chosen`
    pages : the pages that there are, title by address
    """

    _esm = joined("dom.js", "command_palette.js")
    _css = joined("tokens.css", "controls.css", "command_palette.css")

    entries = traitlets.List().tag(sync=True)  # Python -> browser: what can be found
    wish = traitlets.Dict().tag(sync=True)  # browser -> Python: what the user did
    chosen = traitlets.Dict()  # the last choice: kind and name

    def __init__(
        self,
        workbench: Workbench | None = None,
        *,
        form: CapabilityForm | None = None,
        links: Mapping[str, str] | None = None,
        pages: Mapping[str, str] | None = None,
    ) -> None:
        if workbench is None:
            from fraktal_kernel.core.workbench import Workbench

            workbench = Workbench.open()
        self.workbench = workbench
        self._in_page = links is not None
        self._links = dict(links or {})
        self._pages = dict(pages or {})
        self._lock = threading.Lock()
        self._owns_form = form is None and not self._in_page
        self.form = CapabilityForm(workbench=workbench) if self._owns_form else form
        self._jobs: list[dict[str, str]] = []
        self._refresh = LatestOnly(self._list_jobs, "palette-jobs")
        super().__init__(entries=self._entries())
        self.observe(self._on_wish, "wish")

    def close(self) -> None:
        """End the widget, and its form where it made one."""
        if hasattr(self, "_refresh"):
            self._refresh.close()
            if self._owns_form and self.form is not None:
                self.form.close()
        super().close()

    def _repr_mimebundle_(self, **options: Any) -> Any:
        """Show the palette with its form below, as a notebook does."""
        if not self._owns_form:
            return super()._repr_mimebundle_(**options)
        import ipywidgets

        return ipywidgets.VBox([self, self.form])._repr_mimebundle_(**options)

    def _on_wish(self, change: dict[str, Any]) -> None:
        wish = change["new"]
        if wish.get("do") == "open":
            self._refresh.submit(None)
        elif wish.get("do") == "choose":
            kind, name = str(wish.get("kind")), str(wish.get("name"))
            if kind == "capability" and self.form is not None:
                self.form.show(name)
            self.chosen = {"kind": kind, "name": name}

    def _list_jobs(self, request: None, superseded: Any) -> None:
        try:
            jobs = self.workbench.jobs.list(limit=JOBS_LISTED)
        except FraktalError:
            return  # the rest can still be found
        titles = {one["name"]: one["title"] for one in catalog(self.workbench.capabilities)}
        self._jobs = [
            self._entry(
                "job",
                str(job.id),
                f"#{job.id} {titles.get(job.capability, job.capability)}",
                job.state,
                state=job.state,
            )
            for job in jobs
        ]
        self.entries = self._entries()

    def _entries(self) -> list[dict[str, str]]:
        from fraktal_kernel.fractals import scenes

        found = [
            self._entry("capability", one["name"], one["title"], one["name"])
            for one in catalog(self.workbench.capabilities)
        ]
        found += [
            {**self._entry("page", address, title, address), "href": address}
            for address, title in self._pages.items()
        ]
        found += [
            self._entry("scene", name, name.replace("_", " ").capitalize(), "in the explorer")
            for name in scenes
        ]
        return found + self._jobs

    def _entry(
        self, kind: str, name: str, title: str, hint: str, state: str = ""
    ) -> dict[str, str]:
        href = self._links[kind].format(name=name) if kind in self._links else ""
        return {
            "kind": kind,
            "name": name,
            "title": title,
            "hint": hint,
            "state": state,
            "href": href,
        }
