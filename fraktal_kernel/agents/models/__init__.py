"""Language models: which there are, in what order, what they answered before, and the asking."""
