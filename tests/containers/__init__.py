"""The containers, judged without an engine: what can be known from the files, and from the programs they name."""
