"""The registry: every function, version, alias, token, call and log line, in one DuckDB file with one writer.

The only package that imports duckdb. SQL stands in the `.sql` files beside the module that runs it.
"""

from rayfaas.registry.registry import Registry

__all__ = ["Registry"]
