"""Spans of jobs: worked out from the journal, recorded by libraries, shown, and handed on."""
