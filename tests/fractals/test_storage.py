"""Fields on disk: exact where it is promised, and no file can do harm."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from fraktal_kernel.errors import InvalidInput
from fraktal_kernel.fractals.fields import KINDS
from fraktal_kernel.fractals.storage import read_fields, write_fields

FACTS = {"formula": "z**2 + c", "view": {"re": "-0.75", "im": "0"}}


def some_fields(height: int = 5, width: int = 7) -> dict[str, NDArray[Any]]:
    """Make one field of every kind, with the values that are hard to keep."""
    chance = np.random.default_rng(3)
    fields: dict[str, NDArray[Any]] = {}
    for name, kind in KINDS.items():
        if kind.dtype == "int64":
            array = chance.integers(-(2**63), 2**63 - 1, (height, width))
        elif kind.dtype == "complex128":
            array = chance.normal(size=(height, width)) + 1j * chance.normal(size=(height, width))
            array[0, 0] = complex(np.nan, np.nan)
        else:
            array = chance.normal(size=(height, width)) * 1e6
            array[1, 1] = np.nan
        fields[name] = array
    return fields


@pytest.mark.parametrize("place", ["a.npz", "a.zarr", "memory://fields/a.zarr"])
def test_what_is_exact_comes_back_to_the_last_bit(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Numpy's and zarr's files hold all kinds of fields, and the facts, as they are."""
    monkeypatch.chdir(tmp_path)
    fields = some_fields()
    write_fields(place, fields, FACTS)
    again, facts = read_fields(place)
    assert facts == FACTS
    assert again.keys() == fields.keys()
    for name, array in fields.items():
        assert again[name].dtype == array.dtype
        assert again[name].tobytes() == array.tobytes()


def test_exr_holds_whole_numbers_exactly_and_others_in_single_precision(tmp_path: Path) -> None:
    """Two channels make a whole number of 64 bits."""
    fields = some_fields()
    write_fields(tmp_path / "a.exr", fields, FACTS)
    again, facts = read_fields(tmp_path / "a.exr")
    assert facts == FACTS
    for name, array in fields.items():
        if array.dtype == np.int64:
            assert (again[name] == array).all()
        else:
            np.testing.assert_allclose(again[name], array, rtol=1e-6)


def test_exr_knows_infinities_of_each_part(tmp_path: Path) -> None:
    """What single precision has no number for is infinite, and the other part stays as it is."""
    z = np.array([[complex(1e300, 2), complex(3, -1e300), complex(np.nan, 4)]])
    write_fields(tmp_path / "a.exr", {"z": z})
    again = read_fields(tmp_path / "a.exr")[0]["z"]
    assert again.real[0].tolist()[:2] == [np.inf, 3] and np.isnan(again.real[0, 2])
    assert again.imag[0].tolist() == [2, -np.inf, 4]


@pytest.mark.parametrize("name", ["a.npz", "a.exr", "a.zarr"])
def test_a_url_of_a_file_is_its_path(name: str, tmp_path: Path) -> None:
    """What fsspec calls file:// needs no folder that is there already."""
    fields = {"iterations": np.arange(12, dtype=np.int64).reshape(3, 4)}
    write_fields(f"file://{tmp_path / name}", fields, FACTS)
    for place in (f"file://{tmp_path / name}", tmp_path / name):
        again, facts = read_fields(place)
        assert facts == FACTS and np.array_equal(again["iterations"], fields["iterations"])


@pytest.mark.parametrize(
    "place", ["nowhere/a.npz", "nowhere/a.exr", "memory://a.npz", "memory://a.exr", "odd://a.zarr"]
)
def test_a_place_where_nothing_can_be_written_is_one_sentence(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever library writes, its error becomes ours, and no file is left."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InvalidInput):
        write_fields(place, {"smooth": np.zeros((3, 4))})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a.npz", "a.exr", "a.zarr"])
def test_what_is_broken_is_one_sentence(name: str, tmp_path: Path) -> None:
    """Files that are missing, empty, cut off or something else are refused."""
    target = tmp_path / name
    with pytest.raises(InvalidInput):
        read_fields(target)
    if name == "a.zarr":
        target.mkdir()
        (target / "zarr.json").write_text("{]")
        with pytest.raises(InvalidInput, match="damaged"):
            read_fields(target)
        return
    write_fields(target, some_fields())
    whole = target.read_bytes()
    for broken in (b"", b"text", whole[: len(whole) // 2]):
        target.write_bytes(broken)
        with pytest.raises(InvalidInput, match="damaged"):
            read_fields(target)


def test_a_header_that_promises_terabytes_is_refused_before_memory_is_taken(
    tmp_path: Path,
) -> None:
    """The array's header is read first."""
    target = tmp_path / "bomb.npz"
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000, 1000000)}"
    header += b" " * (117 - len(header)) + b"\n"
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr(
            "smooth.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
        )
    with pytest.raises(InvalidInput, match="1000000"):
        read_fields(target)


def test_what_is_no_field_is_refused(tmp_path: Path) -> None:
    """Unknown names, wrong types, different sizes and unknown endings."""
    good = np.zeros((3, 4))
    for fields in ({}, {"colour": good}, {"smooth": good.astype(np.int64)}, {"smooth": good[0]}):
        with pytest.raises(InvalidInput):
            write_fields(tmp_path / "a.npz", fields)
    with pytest.raises(InvalidInput, match="shapes"):
        write_fields(tmp_path / "a.npz", {"smooth": good, "stripe": good.T.copy()})
    with pytest.raises(InvalidInput, match="ending"):
        write_fields(tmp_path / "a.tif", {"smooth": good})
    with pytest.raises(InvalidInput, match="cannot be written"):
        write_fields(tmp_path / "nowhere" / "a.npz", {"smooth": good})
    assert list(tmp_path.iterdir()) == []
