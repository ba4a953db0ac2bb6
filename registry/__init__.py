"""The registry: every function, version, alias, token, call and log line, in one DuckDB file with one writer.

The only package that imports duckdb. SQL stands in the `.sql` files beside the module that runs it.
"""

from rayfaas.registry.lineage import Question
from rayfaas.registry.query import QueryResult
from rayfaas.registry.registry import Registry
from rayfaas.registry.usage import Usage

__all__ = ["QueryResult", "Question", "Registry", "Usage"]
