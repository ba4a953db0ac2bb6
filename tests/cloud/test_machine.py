from __future__ import annotations

import pytest

from rayfaas.cloud import errors
from rayfaas.cloud.errors import CloudError
from rayfaas.cloud.machine import Claim, name_prefix
from rayfaas.errors import BadRequest
from tests.cloud.conformance import OWNER, claim


def test_a_claim_comes_back_from_its_tags() -> None:
    mine = claim()
    assert Claim.of({**mine.tags(), "Name": "x"}) == mine
    assert Claim.of({}) is None
    assert Claim.of({**mine.tags(), "rayfaas-expires": "soon"}) is None


def test_a_name_is_the_attempts_and_fits_every_provider() -> None:
    mine = Claim(OWNER, "c" * 63, "n" * 63, "a" * 36)
    other = Claim(OWNER, "c" * 63, "n" * 63, "b" * 36)
    assert mine.name() == mine.name() != other.name()
    assert mine.name().startswith(name_prefix(OWNER))
    assert len(mine.name()) <= 62


@pytest.mark.parametrize("name", ["", "GPU", "a_b", "-a", "a-", "a" * 64, "ä"])
def test_what_cannot_be_a_label_everywhere_is_refused(name: str) -> None:
    with pytest.raises(BadRequest, match="a-z, 0-9"):
        Claim(OWNER, "train", name, "attempt")


def test_every_error_says_what_may_be_done_next() -> None:
    kinds = [each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, CloudError)]
    assert len(kinds) == 11
    for kind in kinds:
        assert (kind.blocks is not None) == (kind.then == "next")
        assert kind.retryable == (kind.then == "again")
        assert f"{kind.__name__} " in (errors.__doc__ or "")
