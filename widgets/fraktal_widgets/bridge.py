"""Any anywidget as a Panel component, from the same class and the same JavaScript.

Panel's own pane for ipywidgets fetches the front end of anywidget from the internet; its
``AnyWidgetComponent`` runs the same script without. So the component is made here: one param
for each synchronised trait, linked both ways, and nothing else.
"""

from __future__ import annotations

from functools import cache, partial
from typing import Any

import anywidget
import panel as pn
import param
import traitlets
from anywidget._file_contents import FileContents
from panel.custom import AnyWidgetComponent

_PARAMS: dict[type[traitlets.TraitType], type[param.Parameter]] = {
    traitlets.Bool: param.Boolean,
    traitlets.Bytes: param.Bytes,
    traitlets.Dict: param.Dict,
    traitlets.Float: param.Number,
    traitlets.Int: param.Integer,
    traitlets.List: param.List,
    traitlets.Unicode: param.String,
}


TEXTS = (str, FileContents)


def _own_traits(widget_class: type[anywidget.AnyWidget]) -> dict[str, traitlets.TraitType]:
    """List the synchronised traits that are not every widget's: layout, tooltip and so on."""
    traits = widget_class.class_traits(sync=True)
    return {name: trait for name, trait in traits.items() if not hasattr(anywidget.AnyWidget, name)}


def _param_for(trait: traitlets.TraitType) -> param.Parameter:
    for kind, maker in _PARAMS.items():
        if isinstance(trait, kind):
            return maker(allow_None=True, default=None)
    return param.Parameter()


@cache
def component_class(widget_class: type[anywidget.AnyWidget]) -> type[AnyWidgetComponent]:
    """Make the Panel component class of an anywidget class."""
    ours = _own_traits(widget_class)
    members: dict[str, Any] = {name: _param_for(trait) for name, trait in ours.items()}
    members["_esm"] = str(widget_class._esm)
    members["_stylesheets"] = [str(widget_class._css)] if hasattr(widget_class, "_css") else []
    # Panel gathers changes from the browser for 50 ms unless told otherwise: half the latency.
    members["_debounce"] = 0
    members["__doc__"] = widget_class.__doc__
    return type(widget_class.__name__, (AnyWidgetComponent,), members)


def panel_component(widget: anywidget.AnyWidget, **layout: Any) -> AnyWidgetComponent:
    """Show a widget in Panel; its traits and the component's params stay equal.

    The widget is closed when the browser's session ends.

    Parameters
    ----------
    widget : an instance of any anywidget class
    layout : params of Panel's own layout; by default the widget takes the whole width
    """
    # anywidget gives every instance a class of its own; the one that was written stands behind it.
    written = next(cls for cls in type(widget).__mro__ if isinstance(vars(cls).get("_esm"), TEXTS))
    cls = component_class(written)
    names = [name for name in cls.param if name in _own_traits(written)]
    layout = {"sizing_mode": "stretch_width"} | layout
    component = cls(**{name: getattr(widget, name) for name in names}, **layout)

    document = pn.state.curdoc
    told: dict[str, Any] = {}  # by the widget to the component, the last of each name

    def put(name: str, value: Any) -> None:
        told[name] = value
        setattr(component, name, value)

    def show(change: dict[str, Any]) -> None:
        # A param that is set by another thread while the browser's change of one is being told
        # can be forgotten: the document's own thread sets them, one after the other.
        if document is None or pn.state.curdoc is document:
            put(change["name"], change["new"])
            return
        try:
            document.add_next_tick_callback(partial(put, change["name"], change["new"]))
        except AttributeError:
            # The browser has left and Bokeh has taken its document apart; a moment later it says
            # so, and the widget is closed. Until then its threads have nobody to tell.
            if document.session_context is not None:
                raise

    def follow(event: param.parameterized.Event) -> None:
        # What the widget itself said is no news to it, and may be old by now.
        if event.name not in told or event.new is not told[event.name]:
            setattr(widget, event.name, event.new)

    for name in names:
        widget.observe(show, name)
        component.param.watch(follow, name)
    if document is not None:
        pn.state.on_session_destroyed(lambda context: widget.close())
    return component
