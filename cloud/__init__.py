"""Machines: the verbs that every cloud adapter has. The keeper, which decides when to use them, is built on these."""

from rayfaas.cloud.adapter import Adapter, Instance, InstanceState

__all__ = ["Adapter", "Instance", "InstanceState"]
