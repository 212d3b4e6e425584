"""`nightcast`: the same steps from a shell, and what the run record says, in one screen."""
