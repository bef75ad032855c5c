"""Escape time in float64 for any formula: many points in lockstep lanes, all fields.

`body` says what is compiled, `vectors` emits it, `sweep` counts, `orbit` walks again for the
fields that need the whole way, `fill` shares a picture among threads.
"""
