"""Pictures for somebody who looks on: from coarse to fine, and using again what is known."""

from fraktal_kernel.fractals.live.sight import LEVELS, Sight

__all__ = ["LEVELS", "Sight"]
