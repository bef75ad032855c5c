"""Plans: capability calls as a graph, with inputs from one another, conditions and people."""
