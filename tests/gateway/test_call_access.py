"""A call's token names exactly the call that it was issued for: no byte of it can be changed, and its time is short."""

from __future__ import annotations

import base64
import time

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rayfaas.envelope import AccessBody
from rayfaas.errors import Unauthenticated
from rayfaas.gateway.call_access import PREFIX, CallAccess, Claims

ACCESS = CallAccess(b"the key of a home", "http://127.0.0.1:8700")
CLAIMS = Claims("call", "root", "ann", "nlp", time.time() + 3600)

texts = st.text(max_size=40)


def authorization(claims: Claims, access: CallAccess = ACCESS) -> bytes:
    body = msgspec.msgpack.decode(access.issue(claims), type=AccessBody)
    return body.token.encode()


def test_an_issued_token_says_where_it_is_good() -> None:
    assert msgspec.msgpack.decode(ACCESS.issue(CLAIMS), type=AccessBody).url == "http://127.0.0.1:8700"


@given(texts, texts, texts, texts, st.floats(min_value=time.time() + 3600, allow_infinity=False))
@settings(max_examples=50)
def test_any_claims_come_back_as_they_were_issued(
    call: str, root: str, principal: str, team: str, deadline: float
) -> None:
    claims = Claims(call, root, principal, team, deadline)
    assert ACCESS.check(authorization(claims)) == claims


def test_a_token_cut_off_anywhere_is_refused() -> None:
    token = authorization(CLAIMS)
    for length in range(len(PREFIX), len(token)):
        with pytest.raises(Unauthenticated):
            ACCESS.check(token[:length])


def test_a_token_with_any_bit_flipped_is_refused() -> None:
    signed = bytearray(base64.urlsafe_b64decode(authorization(CLAIMS)[len(PREFIX) :]))
    for bit in range(len(signed) * 8):
        signed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(Unauthenticated):
            ACCESS.check(PREFIX + base64.urlsafe_b64encode(signed))
        signed[bit // 8] ^= 1 << bit % 8


@given(st.binary(max_size=120))
@settings(max_examples=200)
def test_whatever_follows_the_prefix_is_refused_and_breaks_nothing(rest: bytes) -> None:
    with pytest.raises(Unauthenticated):
        ACCESS.check(PREFIX + rest)


@given(st.binary(max_size=80))
@settings(max_examples=100)
def test_bytes_that_nobody_signed_are_refused(signed: bytes) -> None:
    with pytest.raises(Unauthenticated):
        ACCESS.check(PREFIX + base64.urlsafe_b64encode(signed))


def test_another_homes_token_is_refused() -> None:
    other = CallAccess(b"the key of another home", "http://127.0.0.1:8700")
    with pytest.raises(Unauthenticated, match="not issued here"):
        ACCESS.check(authorization(CLAIMS, other))


def test_any_gateway_of_the_home_takes_a_token_of_another() -> None:
    other = CallAccess(b"the key of a home", "http://127.0.0.1:8701")
    assert ACCESS.check(authorization(CLAIMS, other)) == CLAIMS


def test_a_token_is_no_good_once_its_call_has_run_out_of_time() -> None:
    late = Claims("call", "root", "ann", "nlp", time.time() - 0.001)
    with pytest.raises(Unauthenticated, match="is over"):
        ACCESS.check(authorization(late))
