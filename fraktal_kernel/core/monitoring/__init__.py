"""Logs and numbers of a running workbench."""
