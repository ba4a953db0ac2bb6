"""Every error has an exit code that scripts can rely on."""

from __future__ import annotations

import pytest

from rayfaas.cli.exits import exit_code
from rayfaas.errors import BY_CODE, Forbidden, FunctionError
from rayfaas.raised import error_of

OTHER_THAN_FAILED = {
    "function_error": 6,
    "bad_answer": 6,
    "bad_batch": 6,
    "result_not_serializable": 6,
    "not_found": 3,
    "access": 4,
    "forbidden": 4,
    "unauthenticated": 4,
    "unavailable": 5,
}


@pytest.mark.parametrize("code", list(BY_CODE))
def test_each_kind_of_error_has_its_exit_code(code: str) -> None:
    assert exit_code(BY_CODE[code]("no")) == OTHER_THAN_FAILED.get(code, 1)


def test_kinds_below_have_the_code_of_those_above() -> None:
    assert exit_code(Forbidden("no")) == 4
    error = error_of({"code": "function_error", "detail": "no", "exception": "PermissionError"})
    assert isinstance(error, FunctionError)
    assert exit_code(error) == 6
