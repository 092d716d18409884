"""What it costs, measured: `python -m bench` runs all, `python -m bench.figure` one. See README.md."""
