"""``python -m fraktal_kernel.cli`` is the same as ``fraktal``."""

from fraktal_kernel.cli import main

if __name__ == "__main__":
    main()
