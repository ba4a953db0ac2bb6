"""What a user's query may be made of, judged by its syntax tree before anything of it is run.

It names the views and nothing else, changes nothing, and is small: what it is made of can't be made to take long to
plan, nor values as large as nothing can interrupt. What runs long is ended by the limits of `query.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from rayfaas.errors import QueryError
from rayfaas.registry.forbidden import TABLE_FUNCTIONS, check_function, check_type

Tree = dict[str, Any]

# Characters of a query. Values are parameters, so a long one is no question of a person.
MOST_TEXT = 10_000
# Characters of one text among the parameters: what takes long with it can't be interrupted.
MOST_VALUE = 100_000
# Tables that it reads, and columns that any part of it may have.
MOST_TABLES = 40
MOST_COLUMNS = 4_000
# Of a table, for that estimate.
_COLUMNS = 60

_NODES = {"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"}


def check_text(sql: str) -> None:
    """Raises `QueryError`."""
    if len(sql) > MOST_TEXT:
        raise QueryError(
            f"The query has {len(sql):,} characters, and may have {MOST_TEXT:,}. Send long values as parameters."
        )


def check_parameters(values: Any) -> None:
    """Raises `QueryError`."""
    found = [values]
    while found:
        value = found.pop()
        if isinstance(value, str) and len(value) > MOST_VALUE:
            raise QueryError(f"A parameter has {len(value):,} characters, and may have {MOST_VALUE:,}.")
        if isinstance(value, Mapping):
            found += [*value, *value.values()]
        elif isinstance(value, list | tuple):
            found += value


def parse_tree(serialized: str) -> Tree:
    """Of one SELECT, from what `json_serialize_sql` says. Raises `QueryError`."""
    try:
        tree: Tree = json.loads(serialized)
    except RecursionError:
        raise QueryError("The query is nested too deeply.") from None
    if tree["error"] and tree["error_type"] == "not implemented":
        raise QueryError("Only a SELECT can be asked: queries read, and change nothing.")
    if tree["error"]:
        raise QueryError(f"The query does not parse: {tree['error_message']}")
    if len(tree["statements"]) != 1:
        raise QueryError("One SELECT at a time, please.")
    return tree


def check_tree(tree: Tree, views: Mapping[str, str]) -> set[str]:
    """The tables that it names, views and its own. Raises `QueryError`."""
    nodes = list(_walk(tree))
    of_catalog = {id(node) for node in _of_catalog(tree)}
    of_tables = {id(node["function"]) for node in nodes if node.get("type") == "TABLE_FUNCTION"}
    for node in nodes:
        if id(node) not in of_tables:
            _check_node(node, id(node) in of_catalog, views)
    tables = [str(node["table_name"]).lower() for node in nodes if node.get("type") == "BASE_TABLE"]
    if len(tables) > MOST_TABLES:
        raise QueryError(f"The query reads {len(tables)} tables, and may read {MOST_TABLES}.")
    _width(tree["statements"][0]["node"], {})
    return set(tables)


def _check_node(node: Tree, is_of_catalog: bool, views: Mapping[str, str]) -> None:
    kind = str(node.get("type"))
    path = (node.get("qualified_name") or {}).get("path") or []
    if "cte_map" in node and kind not in _NODES:
        raise QueryError("Only SELECT can be asked; the registry is not changed by SQL.")
    if kind == "BASE_TABLE":
        name = str(node["table_name"])
        qualified = len(path) > 1 or node.get("schema_name") or node.get("catalog_name")
        if qualified or (is_of_catalog and name.lower() not in views):
            whole = ".".join(path) or name
            raise QueryError(f"There is no table {whole}. There are: {', '.join(views)}.")
    elif kind == "TABLE_FUNCTION":
        name = _function_name(node["function"])
        if name not in TABLE_FUNCTIONS:
            raise QueryError(f"The table function {name} is not for queries of users.")
    elif kind == "SHOW_REF" and not node.get("query"):
        raise QueryError(f"Ask `DESCRIBE <table>`. There are the tables {', '.join(views)}.")
    elif kind == "FUNCTION" and not _is_written_map(node):
        check_function(_function_name(node), node)
    else:
        check_type(node)


def _is_written_map(node: Tree) -> bool:
    """`MAP {…}`, which is as long as somebody typed it. Versions of DuckDB name the arguments differently."""
    parts = [each["expression"] for each in node.get("arguments") or ()] or node.get("children") or ()
    return _function_name(node) == "map" and {_function_name(part) for part in parts} == {"list_value"}


def _function_name(node: Tree) -> str:
    return str(node.get("function_name", "")).lower()


def _of_catalog(tree: Tree) -> Iterator[Tree]:
    """The tables of it that are none of its own: a name that WITH gives counts below it, and after it, only."""
    found: list[tuple[Any, frozenset[str]]] = [(tree, frozenset())]
    while found:
        value, own = found.pop()
        if isinstance(value, list):
            found += [(each, own) for each in value]
        elif isinstance(value, dict):
            if value.get("type") == "BASE_TABLE" and _folded(value["table_name"]) not in own:
                yield value
            for entry in _ctes(value):
                found.append((entry["value"], own))
                own |= {_folded(entry["key"])}
            parts = {name: part for name, part in value.items() if name != "cte_map"}
            if value.get("type") == "RECURSIVE_CTE_NODE":  # only what is repeated knows its own name
                found.append((parts.pop("right"), own | {_folded(value["cte_name"])}))
            found += [(part, own) for part in parts.values()]


def _folded(name: str) -> str:
    """As DuckDB compares names: of letters only those of ASCII have another case."""
    return name.encode("utf-8", "surrogatepass").lower().decode("utf-8", "surrogatepass")


def _ctes(node: Tree) -> list[Tree]:
    found = (node.get("cte_map") or {}).get("map") or []
    return [entry for entry in found if isinstance(entry, dict)]


def _walk(tree: Tree) -> Iterator[Tree]:
    """Every object in it, from the top."""
    found: list[Any] = [tree]
    while found:
        value = found.pop()
        if isinstance(value, dict):
            yield value
            found += reversed(value.values())
        elif isinstance(value, list):
            found += reversed(value)


def _width(node: Any, ctes: Mapping[str, int]) -> int:
    """At most so many columns has what a node gives: a few stars, nested, make millions. Raises `QueryError`."""
    if not isinstance(node, dict):
        return 0
    node = node.get("node", node)
    known = dict(ctes)
    for entry in _ctes(node):
        known[entry["key"].lower()] = _width(_query(entry), known)
    kind = str(node.get("type"))
    if kind == "SELECT_NODE":
        width = _selected(node, _width(node.get("from_table"), known))
    elif kind == "BASE_TABLE":
        width = known.get(str(node["table_name"]).lower(), _COLUMNS)
    elif kind == "SUBQUERY":
        width = _width(node.get("subquery"), known)
    else:
        width = max(1, sum(_width(child, known) for child in _children(node)))
    if width > MOST_COLUMNS:
        raise QueryError(f"A part of the query has {width:,} columns, and may have {MOST_COLUMNS:,}. Name them.")
    return width


def _selected(node: Tree, source: int) -> int:
    listed: list[Tree] = node.get("select_list") or []
    stars = sum(str(each.get("class")) == "STAR" for item in listed for each in _walk(item))
    return len(listed) + stars * source


def _children(node: Tree) -> list[Any]:
    """Of a join, a set operation, a recursive or a common table expression, a pivot."""
    names = ("left", "right", "child", "source", "query")
    return [node.get(name) for name in names] + list(node.get("children") or ())


def _query(entry: Tree) -> Any:
    """Of a common table expression; versions of DuckDB name it differently."""
    value = entry["value"]
    return value.get("query_node") or value.get("query")
