"""A real machine, shared by the tests of this package and gone after the last of them."""
