"""Deep zoom: pictures by perturbation of one reference orbit, at any depth."""
