"""`@rayfaas.asgi` declares what makes an application, whether its file is read or run."""

from __future__ import annotations

import pickle
from pathlib import Path

import cloudpickle
import pytest

import rayfaas
from rayfaas.application import is_application
from rayfaas.errors import BadRequest
from rayfaas.source import declared_functions


def make() -> str:
    return "an application"


def test_a_decorated_function_makes_its_application_here_as_before() -> None:
    web = rayfaas.asgi(name="web", team="nlp")(make)
    assert web() == web.local() == "an application"
    assert (web.target, web.spec.concurrency, web.spec.timeout_s) == ("nlp/web", 100, 3600.0)
    assert rayfaas.asgi(concurrency=3)(make).spec.concurrency == 3


def test_what_it_is_is_known_of_a_pickle_too() -> None:
    def other() -> None: ...

    assert is_application(pickle.loads(cloudpickle.dumps(rayfaas.asgi()(other).fn)))
    assert not is_application(lambda: None)


def test_it_is_made_from_nothing() -> None:
    with pytest.raises(BadRequest, match="no parameters"):

        @rayfaas.asgi()
        def site(title: str) -> None: ...

    @rayfaas.asgi()
    def optional(title: str = "x", **others: str) -> None: ...

    assert optional.name == "optional"


@pytest.mark.parametrize(
    "text",
    [
        "import rayfaas\n@rayfaas.asgi()\ndef web(): ...\n",
        "import rayfaas as r\n@r.asgi(timeout_s=3600)\ndef web(): ...\n",
        "from rayfaas import asgi as site\n@site(concurrency=100)\ndef web(): ...\n",
        "import rayfaas\nmany = 100\n@rayfaas.asgi(concurrency=many)\ndef web(): ...\n",  # only running it tells
    ],
)
def test_a_file_declares_it_with_its_defaults(tmp_path: Path, text: str) -> None:
    file = tmp_path / "site_of_test.py"
    file.write_text(text)
    (found,) = declared_functions(file)
    spec = found.declaration.spec
    assert (found.attribute, spec.concurrency, spec.timeout_s) == ("web", 100, 3600.0)
