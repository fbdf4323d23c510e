"""NATS-Bench's size space."""

from surrogate_nas.space.nats_size.space import NatsSize, nats_size

__all__ = ["NatsSize", "nats_size"]
