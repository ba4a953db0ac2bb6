"""Machines: the verbs that every cloud adapter has. The keeper, which decides when to use them, is built on these.

from rayfaas.cloud import Claim, Machine, open_adapter
"""

from rayfaas.cloud.adapter import Adapter, Capabilities, Finding
from rayfaas.cloud.machine import Claim, Instance, InstanceState, Machine
from rayfaas.cloud.prices import Price, Prices
from rayfaas.cloud.providers import PROVIDERS, open_adapter

__all__ = [
    "PROVIDERS",
    "Adapter",
    "Capabilities",
    "Claim",
    "Finding",
    "Instance",
    "InstanceState",
    "Machine",
    "Price",
    "Prices",
    "open_adapter",
]
