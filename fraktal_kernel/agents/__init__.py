"""Agents: who does the work, how they hear of it, and how one talks to them."""
