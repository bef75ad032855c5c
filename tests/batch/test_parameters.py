"""The parameters cell is read, never executed, and wrong values are refused by name."""

from __future__ import annotations

import math

import pytest

from fraktal_kernel.batch.parameters import check_parameters, read_cell
from fraktal_kernel.errors import InvalidInput, UnknownName

CELL = '''
"""What the poster shows."""
width = 800  # pixels
height: int = 600
zoom: float = 1  # times
scene = "a = b, c"
smooth = True
sizes: list[int] = [
    1,
    2,  # two
]
mode: Literal["fast", "fine"] = "fast"
label: str | None = None
seed: "int" = 3
area = width * height
'''


@pytest.fixture(scope="module")
def known():
    """Read the parameters of the cell above."""
    return read_cell(CELL)


def test_every_assignment_is_found_with_its_type_default_and_comment(known):
    """Annotations come before defaults, and what is computed has no default."""
    assert list(known) == [
        "width",
        "height",
        "zoom",
        "scene",
        "smooth",
        "sizes",
        "mode",
        "label",
        "seed",
        "area",
    ]
    assert known["width"].type is int and known["width"].help == "pixels"
    assert known["zoom"].type is float and known["zoom"].default == 1
    assert known["scene"].default == "a = b, c"
    assert known["sizes"].default == [1, 2]
    assert known["area"].has_default is False
    assert known["seed"].type is int


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("width", "4096", 4096),
        ("zoom", "2", 2.0),
        ("zoom", "2.5", 2.5),
        ("scene", "123", "123"),
        ("smooth", "false", False),
        ("sizes", "[3, 4]", [3, 4]),
        ("mode", "fine", "fine"),
        ("label", "none", None),
        ("label", "x", "x"),
        ("area", "5", 5),
    ],
)
def test_text_from_a_terminal_becomes_the_type_of_the_parameter(known, name, text, value):
    """What is typed is read as the notebook's own type."""
    assert check_parameters(known, {name: text}, typed=True) == {name: value}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("width", "wide"),
        ("width", 3.5),
        ("width", True),
        ("width", None),
        ("zoom", math.nan),
        ("zoom", math.inf),
        ("zoom", "1.5"),
        ("scene", 5),
        ("smooth", 1),
        ("sizes", ["a"]),
        ("sizes", 3),
        ("mode", "slow"),
        ("area", {1, 2}),
        ("area", math.nan),
    ],
)
def test_a_value_of_the_wrong_type_is_refused_in_one_sentence(known, name, value):
    """The sentence names the parameter, what was given and what was expected."""
    with pytest.raises(InvalidInput, match=f"^{name}: given .*, expected .*\\.$") as caught:
        check_parameters(known, {name: value})
    assert "\n" not in str(caught.value)


def test_an_unknown_name_is_refused_with_the_nearest_one(known):
    """A slip of the pen is told before anything starts."""
    with pytest.raises(UnknownName, match="did you mean 'width'"):
        check_parameters(known, {"widht": 3})


def test_parameters_for_a_notebook_without_any_are_refused():
    """A notebook that has no parameters cell says how to get one."""
    with pytest.raises(InvalidInput, match="tag the cell"):
        check_parameters({}, {"width": 3})


def test_the_cell_is_never_executed(tmp_path):
    """Reading a parameters cell has no effects."""
    target = tmp_path / "made"
    known = read_cell(f"x: __import__('os').mkdir({str(target)!r}) = 3\ny = open({str(target)!r})")
    assert set(known) == {"x", "y"} and not target.exists()


def test_a_cell_that_is_not_python_is_refused_with_its_line():
    """A syntax error is told with its line, not as a traceback."""
    with pytest.raises(InvalidInput, match="line 2"):
        read_cell("x = 1\ny = = 2")
