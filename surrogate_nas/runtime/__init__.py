"""Execute jobs in processes on this machine and on clusters."""
