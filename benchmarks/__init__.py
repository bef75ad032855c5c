"""One script for each promise of the README; `make bench` runs them."""
