"""Where jobs run: processes of this machine and of clusters."""
