"""Tests of `fraktal_widgets.bridge`."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Callable
from typing import Any

import anywidget
import panel as pn
import pytest
import traitlets
from bokeh.document import Document
from panel.io.state import set_curdoc

from fraktal_widgets import FractalExplorer
from fraktal_widgets.bridge import component_class, panel_component


class Everything(anywidget.AnyWidget):
    """A widget with one trait of each kind that can be sent."""

    _esm = "export default { render({ model, el }) { el.textContent = model.get('word') } }"
    _css = ".everything { margin: 0 }"

    word = traitlets.Unicode("hello").tag(sync=True)
    count = traitlets.Int(3).tag(sync=True)
    share = traitlets.Float(0.5).tag(sync=True)
    on = traitlets.Bool(True).tag(sync=True)
    state = traitlets.Dict({"a": [1, 2]}).tag(sync=True)
    items = traitlets.List([1, "two"]).tag(sync=True)
    data = traitlets.Bytes(b"\x00\xff").tag(sync=True)
    nothing = traitlets.Unicode(None, allow_none=True).tag(sync=True)
    secret = traitlets.Unicode("stays in Python")


NAMES = ["word", "count", "share", "on", "state", "items", "data", "nothing"]
CHANGES: list[tuple[str, Any]] = [
    ("word", "bye"),
    ("count", 4),
    ("share", 0.25),
    ("on", False),
    ("state", {"b": {"c": None}}),
    ("items", []),
    ("data", b"\x01" * 100),
    ("nothing", "something"),
]


def test_params_are_the_synchronised_traits_and_begin_equal() -> None:
    """Every trait that is sent is a param of the same name and value; nothing else is."""
    widget = Everything()
    component = panel_component(widget)
    for name in NAMES:
        assert getattr(component, name) == getattr(widget, name)
    assert "secret" not in component.param
    assert "tooltip" not in component.param or component.param.tooltip.owner is not type(component)


@pytest.mark.parametrize(("name", "value"), CHANGES)
def test_a_change_in_python_reaches_the_page(name: str, value: Any) -> None:
    """Setting the trait sets the param and the model that the page sees."""
    widget = Everything()
    component = panel_component(widget)
    model = component.get_root()
    setattr(widget, name, value)
    assert getattr(component, name) == value
    assert getattr(model.data, name) == value


@pytest.mark.parametrize(("name", "value"), CHANGES)
def test_a_change_in_the_page_reaches_python(name: str, value: Any) -> None:
    """Setting the param, as the page does, sets the trait and calls its observers once."""
    widget = Everything()
    component = panel_component(widget)
    seen = []
    widget.observe(lambda change: seen.append(change["new"]), name)
    setattr(component, name, value)
    assert getattr(widget, name) == value
    assert seen == [value]


def test_script_and_style_are_the_widget_s_own() -> None:
    """The page runs the same text in Panel as in a notebook."""
    component = panel_component(FractalExplorer())
    model = component.get_root()
    assert model.esm.strip() == str(FractalExplorer._esm).strip()
    assert str(FractalExplorer._css) in [str(sheet) for sheet in model.stylesheets]


def test_one_component_class_a_widget_class() -> None:
    """Widgets of one class share a component class, so that sessions leave nothing behind."""
    one, two = panel_component(Everything()), panel_component(Everything())
    assert type(one) is type(two) is component_class(Everything)


def test_the_page_gathers_nothing_before_it_sends() -> None:
    """Panel's own pause of 50 ms before a change is sent is switched off."""
    assert component_class(Everything)._debounce == 0


def test_layout_can_be_chosen() -> None:
    """The widget takes the whole width unless told otherwise."""
    assert panel_component(Everything()).sizing_mode == "stretch_width"
    fixed = panel_component(Everything(), sizing_mode="fixed", width=300)
    assert (fixed.sizing_mode, fixed.width) == ("fixed", 300)


def test_the_widget_is_closed_when_its_session_ends() -> None:
    """A session that is destroyed closes its widgets, and so stops their work."""
    document = Document()
    with set_curdoc(document):
        widget = Everything()
        panel_component(widget)
    assert widget.comm is not None
    for ended in document.session_destroyed_callbacks:
        ended(None)  # what the server does, with the session that ended
    assert widget.comm is None


def test_a_thread_that_tells_a_page_that_has_left_is_not_hindered() -> None:
    """Between the end of Bokeh's document and the widget's own, work goes on and nobody listens."""
    document = Document()
    with set_curdoc(document):
        widget = Everything()
        component = panel_component(widget)

    def session(event: Any) -> None:
        """Stand for the session, which listens to its document."""

    document.on_change(session)
    document.destroy(session)
    widget.word = "anybody there"  # as a thread does that draws scenes
    assert component.word == "hello"
    for ended in document.session_destroyed_callbacks:
        ended(None)
    assert widget.comm is None


def test_what_a_widget_said_does_not_come_back_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two values told late to the page, the first does not take the place of the second."""
    document, widget = Document(), Everything()
    ticks: list[Callable[[], None]] = []  # in order, as the document's own thread calls them
    monkeypatch.setattr(document, "add_next_tick_callback", ticks.append)
    with set_curdoc(document):
        component = panel_component(widget)
    heard: list[bytes] = []
    widget.observe(lambda change: heard.append(change["new"]), "data")
    widget.data = b"first"
    widget.data = b"second"
    for tick in ticks:
        with set_curdoc(document):
            tick()
    assert heard == [b"first", b"second"]
    assert component.data == widget.data == b"second"


def test_a_page_that_is_gone_can_be_collected() -> None:
    """Neither side keeps the other alive once the widget is closed."""
    widget = Everything()
    component = panel_component(widget)
    gone = weakref.ref(component)
    widget.close()
    del widget, component
    gc.collect()
    assert gone() is None


def test_it_is_a_panel_viewable() -> None:
    """The component can stand wherever Panel takes an object."""
    component = panel_component(Everything())
    assert isinstance(pn.Column(component)[0], pn.viewable.Viewable)
