"""The command palette knows everything that can be opened."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from fraktal_kernel.core.local import LocalWorkbench
from fraktal_kernel.fractals import scenes
from fraktal_widgets import CapabilityForm, CommandPalette

Until = Callable[..., None]


def names(palette: CommandPalette, kind: str) -> set[str]:
    """List the entries of one kind."""
    return {entry["name"] for entry in palette.entries if entry["kind"] == kind}


def test_everything_can_be_found(widget_bench: LocalWorkbench, until: Until) -> None:
    """Every capability, scene, page and job is an entry."""
    job = widget_bench.submit("test.echo")
    palette = CommandPalette(
        widget_bench, links={"job": "/#job-{name}"}, pages={"/": "Home", "/docs": "Web API"}
    )
    try:
        assert names(palette, "capability") == set(widget_bench.capabilities)
        assert names(palette, "scene") == set(scenes)
        assert names(palette, "page") == {"/", "/docs"}
        palette.wish = {"do": "open", "seq": 1}
        until(lambda: str(job.id) in names(palette, "job"))
        entry = next(e for e in palette.entries if e["name"] == str(job.id))
        assert entry["href"] == f"/#job-{job.id}"
        assert entry["title"] == f"#{job.id} Say it again"
    finally:
        palette.close()


def test_choosing_a_capability_opens_its_form(widget_bench: LocalWorkbench) -> None:
    """The form that the palette works with shows what was chosen."""
    form = CapabilityForm(workbench=widget_bench)
    palette = CommandPalette(widget_bench, form=form)
    try:
        palette.wish = {"do": "choose", "kind": "capability", "name": "form.simple", "seq": 1}
        assert form.capability == "form.simple"
        assert form.spec["name"] == "form.simple"
        assert palette.chosen == {"kind": "capability", "name": "form.simple"}
    finally:
        palette.close()
        form.close()


def test_in_a_notebook_the_palette_brings_its_form(widget_bench: LocalWorkbench) -> None:
    """Shown in a notebook, the palette stands above a form of its own, and closes it."""
    palette = CommandPalette(widget_bench)
    bundle = palette._repr_mimebundle_()
    shown = bundle[0] if isinstance(bundle, tuple) else bundle
    assert "application/vnd.jupyter.widget-view+json" in shown
    form = palette.form
    assert form is not None
    palette.close()
    assert form.feed.wait_closed(60)


def test_the_work_of_listing_jobs_ends(widget_bench: LocalWorkbench) -> None:
    """After the list was made no thread of the palette is left."""
    palette = CommandPalette(widget_bench, links={})
    palette.wish = {"do": "open", "seq": time.monotonic_ns()}
    assert palette._refresh.wait(60)
    palette.close()


@pytest.mark.parametrize("kind", ["scene", "page", "job"])
def test_other_choices_are_told(widget_bench: LocalWorkbench, kind: str) -> None:
    """What has no form is left to whoever watches ``chosen``."""
    palette = CommandPalette(widget_bench, links={})
    palette.wish = {"do": "choose", "kind": kind, "name": "seahorse", "seq": 1}
    assert palette.chosen == {"kind": kind, "name": "seahorse"}
    palette.close()
