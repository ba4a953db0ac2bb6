"""What somebody set stays until a deploy declares something else."""

from __future__ import annotations

import pytest

from rayfaas.errors import BadRequest
from rayfaas.scaling import Rescale, redeclared
from rayfaas.spec import Scaling


def test_what_is_not_said_stays() -> None:
    assert Rescale(max_replicas=8).scaling(Scaling(min_replicas=2)) == Scaling(min_replicas=2, max_replicas=8)


@pytest.mark.parametrize("rescale", [Rescale(), Rescale(message="why"), Rescale(min_replicas=11)])
def test_what_says_nothing_or_contradicts_itself_is_refused(rescale: Rescale) -> None:
    with pytest.raises(BadRequest):
        rescale.scaling(Scaling())


def test_a_deploy_changes_only_what_it_declares_otherwise_than_the_one_before() -> None:
    set_by_hand = Scaling(min_replicas=3, max_replicas=5)
    assert redeclared(set_by_hand, Scaling(), Scaling()) == set_by_hand
    assert redeclared(set_by_hand, Scaling(), Scaling(max_replicas=20)) == Scaling(min_replicas=3, max_replicas=20)
