"""Formulas as data: an expression, what it derives to, and its body for each kind of machine."""
