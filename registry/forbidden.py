"""What of DuckDB is not for queries of users: what tells of more than the views, and what nothing can end."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from rayfaas.errors import QueryError

TABLE_FUNCTIONS = {"range", "generate_series", "unnest"}
# They tell of the server, of how it is queried or of rows that a view leaves out, or leave something behind.
_SECRETIVE = {
    "getenv", "current_setting", "getvariable", "nextval", "currval", "write_log", "stats", "json_serialize_plan",
    "pg_get_viewdef", "pg_get_constraintdef", "col_description", "obj_description", "shobj_description",
}  # fmt: skip
# They take bytes for what DuckDB has in its memory.
_RAW = {"to_aggregate_state", "combine", "finalize"}
_INTERNAL = "__internal"
# One call of these can take minutes or gigabytes, and nothing ends it before it returns.
_ENDLESS = {
    "repeat", "lpad", "rpad", "printf", "format", "bar", "range", "generate_series", "levenshtein", "editdist3",
    "damerau_levenshtein", "jaro_similarity", "jaro_winkler_similarity", "list_resize", "array_resize",
    "bitstring", "list_sort", "array_sort", "list_reverse_sort", "array_reverse_sort", "list_grade_up",
    "array_grade_up", "to_base", "hamming", "mismatches", "list_distinct", "array_distinct", "list_unique",
    "array_unique", "list_intersect", "array_intersect", "list_has_any", "array_has_any", "list_has_all",
    "array_has_all", "&&", "@>", "<@", "map", "map_from_entries", "regexp_extract_all", "nfc_normalize",
    "parse_path", "parse_filename", "parse_dirname", "parse_dirpath", "json_merge_patch", "json_merge_patch_diff",
    "json_deep_merge",
}  # fmt: skip
# What they are given can be nested so deeply that the process dies of it, or they ask for memory that there is not,
# which DuckDB does not survive.
_FATAL = {
    "json_contains", "json_transform", "json_transform_strict", "from_json", "from_json_strict", "reservoir_quantile",
    "make_type", "replace_type", "cast_to_type",
}  # fmt: skip
_FATAL_TYPES = {"variant", "bignum", "varint"}
_VARIANT = "variant_"
# The second of their arguments is a pattern.
_PATTERNS = {
    "regexp_matches", "regexp_full_match", "regexp_extract", "regexp_replace", "regexp_split_to_array",
    "regexp_split_to_table", "string_split_regex", "str_split_regex",
}  # fmt: skip
# The second names another function.
_NAMING = {"list_aggregate", "list_aggr", "array_aggregate", "array_aggr", "aggregate"}
# Arguments that are to be written in the query, by place: with long ones, or many, the function takes long.
_WRITTEN = {
    **dict.fromkeys(_PATTERNS | _NAMING, (1,)),
    "replace": (2,),
    "regexp_replace": (1, 2),
    "make_timestamptz": (6,),
}
# Characters of a pattern or of what is put in, and how often a pattern may ask for a part of it.
MOST_WRITTEN = 200
MOST_TIMES = 100
_TIMES = re.compile(r"\{(\d*)(?:,(\d*))?\}")

Node = Mapping[str, Any]


def check_type(node: Node) -> None:
    """Of a part of a query that is a type. Raises `QueryError`."""
    name = str(node.get("type_name") or node.get("id") or "").lower()
    if name in _FATAL_TYPES:
        raise QueryError(f"The type {name} is not for queries of users. Do that with the answer.")
    if "nfc" in str(node.get("collation") or "").lower():
        raise QueryError("The collation nfc is not for queries of users: it can't be interrupted.")


def check_function(name: str, node: Node) -> None:
    """Of a part of a query that calls the function `name`. Raises `QueryError`."""
    _check_name(name)
    arguments = _arguments(node)
    places = (0,) if name == "timezone" and len(arguments) > 1 else _WRITTEN.get(name, ())
    written = [_written(arguments[place], place, name) for place in places if place < len(arguments)]
    if written and name in _PATTERNS:
        _check_pattern(name, written[0])
    if written and name in _NAMING:
        _check_name(written[0].lower())


def _check_name(name: str) -> None:
    if name in _SECRETIVE or name in _RAW or name in _FATAL or name.startswith((_INTERNAL, _VARIANT)):
        raise QueryError(f"The function {name} is not for queries of users.")
    if name in _ENDLESS:
        what = f"Read from it as a table, FROM {name}(…)" if name in TABLE_FUNCTIONS else "Do that with the answer"
        raise QueryError(f"The function {name} is not for queries of users: it can't be interrupted. {what}.")


def _check_pattern(function: str, pattern: str) -> None:
    times = 1
    for found in _TIMES.finditer(pattern):
        times *= max(1, *(int(number[:9]) for number in found.groups() if number))
    if times > MOST_TIMES:
        raise QueryError(f"The pattern of {function} asks for {times} times of a part, and may for {MOST_TIMES}.")


def _written(argument: Node, place: int, function: str) -> str:
    """The text of an argument, which is to be in the query itself."""
    literal = argument.get("literal") or argument.get("value")
    text = literal.get("text", literal.get("value")) if isinstance(literal, Mapping) else None
    if not isinstance(text, str) or len(text) > MOST_WRITTEN:
        raise QueryError(
            f"Write argument {place + 1} of {function} into the query, as text of {MOST_WRITTEN} characters at most: "
            "with another it can't be interrupted."
        )
    return text


def _arguments(node: Node) -> list[Node]:
    """Versions of DuckDB name them differently."""
    return [each["expression"] for each in node.get("arguments") or ()] or list(node.get("children") or ())
