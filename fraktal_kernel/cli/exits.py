"""What the exit codes of ``fraktal`` mean."""

#: A job or run failed, or something does not answer.
FAILED = 1
#: What was given cannot be used; nothing was written.
BAD_INPUT = 2
#: Ctrl-C.
INTERRUPTED = 130
