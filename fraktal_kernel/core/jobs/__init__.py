"""Durable jobs: a journal and a queue on the SQL database, and what runs them."""
