"""Artifacts by key, in a folder or on any fsspec URL."""

from fraktal_kernel.core.store.backend import Listed
from fraktal_kernel.core.store.keys import check_key
from fraktal_kernel.core.store.store import Store, Stored

__all__ = ["Listed", "Store", "Stored", "check_key"]
