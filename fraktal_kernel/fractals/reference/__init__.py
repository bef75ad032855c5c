"""Reference orbits of deep zooms in arbitrary precision."""
