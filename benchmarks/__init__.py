"""Speed and memory, measured the way people use the package: `python -m benchmarks`."""
