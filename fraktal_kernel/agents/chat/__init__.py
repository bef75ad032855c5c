"""Conversations, and the turns in which a language model answers with the capabilities as tools."""
