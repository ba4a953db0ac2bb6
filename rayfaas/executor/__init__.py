"""The processes that run user code: the zygote, and the executors that are forked from it.

Nothing of Ray, DuckDB or the gateway is imported here: whatever this package imports, every function pays for.
"""
