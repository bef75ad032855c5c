"""The engine on NVIDIA cards, by numba-cuda: the same tapes, the same arrays, many more lanes.

Nothing here is imported, and numba's CUDA with it, before `card` has found that it is worth it.
"""
