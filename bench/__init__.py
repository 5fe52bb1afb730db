"""What is timed. `python -m bench` runs everything, `python -m bench load` one; see README.md."""
