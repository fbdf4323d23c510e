"""An external proposer: the process, and the strategy that asks it."""
