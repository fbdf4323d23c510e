"""A space of a user's own with a network: two choices, one linear layer."""

import torch

from surrogate_nas.space import ChoiceSpace


class Pairs(ChoiceSpace):
    name = "pairs"
    positions = ("wide", "bias")
    options = (("1", "2", "3"), ("no", "yes"))

    def build(self, cell, network, *, seed, live_only=False):
        torch.manual_seed(seed)
        flat = network.input_channels * network.image_size**2
        return torch.nn.Sequential(
            torch.nn.Flatten(),
            torch.nn.Linear(flat, network.classes, bool(cell.choices[1])),
        )
