"""Who does not know the key of an identity can neither be it nor serve it, whatever they recorded or changed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rayfaas.errors import ProtocolError, Unauthenticated
from rayfaas.frames import PROTOCOL, Decoder, Kind, Message, encode_header, header_of
from rayfaas.handshake import ClientSide, Identity, ServerSide, derive, refusal

SESSION = b"the session key"
ANN: Identity = {"role": "executor", "name": "ann"}
BEN: Identity = {"role": "executor", "name": "ben"}


def key_of(identity: Identity) -> bytes | None:
    return derive(SESSION, identity["name"]) if identity.get("name") in ("ann", "ben") else None


def message_in(data: bytes) -> Message:
    (message,) = Decoder().feed(data)
    return message


def answer_of(client: ClientSide, server: ServerSide) -> Message:
    """The client's HELLO to this server."""
    answer = client.receive(message_in(server.first()))
    assert answer is not None
    return message_in(answer)


def changed(message: Message, **header: Any) -> Message:
    """The same message with other fields; None takes one away."""
    fields = {k: v for k, v in {**header_of(message), **header}.items() if v is not None}
    return message._replace(header=encode_header(fields))


def test_both_ends_prove_themselves() -> None:
    server, client = ServerSide(key_of), ClientSide(ANN, derive(SESSION, "ann"))
    hello = answer_of(client, server)
    assert server.identity is None
    assert not client.done
    assert client.receive(message_in(server.receive(hello))) is None
    assert server.identity == ANN
    assert client.done


def test_no_key_crosses_the_wire() -> None:
    server, client = ServerSide(key_of), ClientSide(ANN, derive(SESSION, "ann"))
    first = server.first()
    answer = client.receive(message_in(first))
    assert answer is not None
    wire = first + answer + server.receive(message_in(answer))
    assert derive(SESSION, "ann") not in wire
    assert SESSION not in wire


@pytest.mark.parametrize(
    ("identity", "key"),
    [
        (ANN, derive(SESSION, "ben")),
        (ANN, b""),
        (ANN, SESSION),
        ({"role": "executor", "name": "nobody"}, derive(SESSION, "nobody")),
        ({}, derive(SESSION, "ann")),
    ],
    ids=["of another", "empty", "of the session", "unknown identity", "no identity"],
)
def test_a_key_proves_its_own_identity_only(identity: Identity, key: bytes) -> None:
    server = ServerSide(key_of)
    with pytest.raises(Unauthenticated):
        server.receive(answer_of(ClientSide(identity, key), server))
    assert server.identity is None


def test_an_unknown_identity_cannot_prove_itself_with_an_empty_key() -> None:
    server = ServerSide(lambda identity: b"")
    with pytest.raises(Unauthenticated):
        server.receive(answer_of(ClientSide(ANN, b""), server))


def test_a_recorded_proof_is_worth_nothing_at_another_connection() -> None:
    first, second = ServerSide(key_of), ServerSide(key_of)
    recorded = answer_of(ClientSide(ANN, derive(SESSION, "ann")), first)
    first.receive(recorded)
    with pytest.raises(Unauthenticated):
        second.receive(recorded)


def test_an_identity_swapped_on_the_way_is_refused() -> None:
    server = ServerSide(key_of)
    hello = answer_of(ClientSide(ANN, derive(SESSION, "ann")), server)
    for identity in (BEN, {**ANN, "role": "home"}, {"name": "ann"}):
        with pytest.raises(Unauthenticated):
            server.receive(changed(hello, identity=identity))
    assert server.identity is None


@settings(max_examples=40)
@given(st.binary(max_size=40), st.sampled_from(["nonce", "proof"]))
def test_no_other_nonce_or_proof_will_do(value: bytes, field: str) -> None:
    server = ServerSide(key_of)
    hello = answer_of(ClientSide(ANN, derive(SESSION, "ann")), server)
    with pytest.raises(Unauthenticated):
        server.receive(changed(hello, **{field: value}))


@pytest.mark.parametrize(
    "lack",
    [
        {"identity": None},
        {"nonce": None},
        {"proof": None},
        {"identity": "ann"},
        {"identity": ["ann"]},
        {"nonce": "text"},
        {"proof": 1},
    ],
)
def test_a_hello_that_lacks_a_part_is_refused(lack: dict[str, Any]) -> None:
    server = ServerSide(key_of)
    hello = answer_of(ClientSide(ANN, derive(SESSION, "ann")), server)
    with pytest.raises(ProtocolError, match="lacks"):
        server.receive(changed(hello, **lack))


@pytest.mark.parametrize("value", [{1: 2, "a": 3}, {None: 1}, ["ann"], 0.5], ids=repr)
def test_an_identity_that_is_no_flat_table_is_refused(value: Any) -> None:
    server = ServerSide(key_of)
    hello = answer_of(ClientSide(ANN, derive(SESSION, "ann")), server)
    with pytest.raises(ProtocolError, match="values that are text or numbers"):
        server.receive(changed(hello, identity={"name": value}))


@pytest.mark.parametrize("kind", [k for k in Kind if k != Kind.HELLO])
def test_nothing_is_heard_before_the_handshake_is_done(kind: Kind) -> None:
    server = ServerSide(key_of)
    hello = answer_of(ClientSide(ANN, derive(SESSION, "ann")), server)
    with pytest.raises(ProtocolError, match="not finished"):
        server.receive(hello._replace(kind=kind))


def test_a_server_without_the_key_is_refused() -> None:
    impostor, client = ServerSide(lambda identity: b"guessed"), ClientSide(ANN, derive(SESSION, "ann"))
    hello = answer_of(client, impostor)
    with pytest.raises(Unauthenticated):
        impostor.receive(hello)
    for header in ({"proof": header_of(hello)["proof"]}, {"proof": b""}, {}):
        with pytest.raises(Unauthenticated, match="can't prove"):
            client.receive(Message(Kind.HELLO, 0, encode_header(header), b""))
    assert not client.done


def test_a_clients_own_proof_sent_back_to_it_proves_nothing() -> None:
    nonce = b"n" * 16
    client = ClientSide(ANN, derive(SESSION, "ann"))
    answer = client.receive(Message(Kind.HELLO, 0, encode_header({"nonce": nonce, "protocol": PROTOCOL}), b""))
    assert answer is not None
    with pytest.raises(Unauthenticated):
        client.receive(message_in(answer))


@pytest.mark.parametrize("protocol", [PROTOCOL + 1, 0, None, "1"])
def test_another_protocol_is_told_apart_before_any_proof_is_given(protocol: object) -> None:
    client = ClientSide(ANN, derive(SESSION, "ann"))
    with pytest.raises(ProtocolError, match="update"):
        client.receive(changed(message_in(ServerSide(key_of).first()), protocol=protocol))


def test_a_refusal_is_raised_with_its_reason() -> None:
    with pytest.raises(Unauthenticated, match="no such cluster"):
        ClientSide(ANN, b"").receive(message_in(refusal("no such cluster")))


def test_a_client_hears_nothing_but_hello_either() -> None:
    client = ClientSide(ANN, derive(SESSION, "ann"))
    with pytest.raises(ProtocolError, match="not finished"):
        client.receive(Message(Kind.CALL, 1, b"", b""))


def test_the_order_in_which_an_identity_was_written_does_not_matter() -> None:
    server, client = ServerSide(key_of), ClientSide({"name": "ann", "role": "executor"}, derive(SESSION, "ann"))
    server.receive(changed(answer_of(client, server), identity=ANN))
    assert server.identity == ANN


def test_derived_keys_differ_with_every_part_and_with_where_parts_end() -> None:
    parts: list[tuple[object, ...]] = [(), ("",), ("ab",), ("a", "b"), ("a", "b", ""), ("b", "a"), (1, 2), (12,)]
    keys = {derive(SESSION, *p) for p in parts}
    assert len(keys) == len(parts)
    assert derive(b"another key", "ab") not in keys
    assert derive(SESSION, 1, 2) == derive(SESSION, "1", "2")
