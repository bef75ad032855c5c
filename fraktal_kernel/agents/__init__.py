"""Agents: who they are, what they may do, how they are asked, and what is seen of them."""
