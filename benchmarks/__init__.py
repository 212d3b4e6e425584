"""What Nightcast costs, side by side with what people would write instead and with the least that it could cost.

`python -m benchmarks --help` says how to run them. Each subject is a module with a `lines` function.
"""
