"""Where alarms are told is set, shown and dropped."""

from __future__ import annotations

import pytest

from tests.cli.terminal import Terminal
from tests.scripted_server import routes

URL = "https://example.com"
PATH = "/v1/webhook/alarms"


@pytest.fixture(autouse=True)
def served(rayfaas: Terminal) -> None:
    rayfaas.serve(
        routes(
            {
                "GET /v1/webhook": {"secret": "whsec_x"},
                f"GET {PATH}": {"url": None, "set_by": None, "waiting": 0, "problem": None},
                f"PUT {PATH}": {"url": URL, "problem": "It answered 500."},
                f"DELETE {PATH}": {},
            }
        )
    )


def test_a_url_is_set_and_what_went_wrong_with_the_trial_is_said(rayfaas: Terminal) -> None:
    ended = rayfaas("webhook", "alarms", URL)
    assert ended.out.strip() == f"Alarms are told to {URL}. The last was not heard: It answered 500."
    assert rayfaas.requests[0].json() == {"url": URL}


def test_where_they_go_is_shown_and_they_are_told_to_nobody(rayfaas: Terminal) -> None:
    assert rayfaas("webhook", "alarms").out.strip() == "Alarms are told to nobody: rayfaas webhook alarms URL"
    assert rayfaas("webhook", "alarms", "--json").json["waiting"] == 0
    assert rayfaas("webhook", "alarms", "--off").out.strip() == "Alarms are told to nobody."
    assert [request.method for request in rayfaas.requests] == ["GET", "GET", "DELETE"]


def test_a_url_and_off_are_wrong_usage(rayfaas: Terminal) -> None:
    assert (rayfaas("webhook", "alarms", URL, "--off").code, rayfaas.requests) == (2, [])


def test_the_secret_is_printed(rayfaas: Terminal) -> None:
    assert rayfaas("webhook", "secret").out.strip() == "whsec_x"
