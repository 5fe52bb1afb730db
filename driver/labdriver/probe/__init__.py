"""What is looked at while the load runs: metrics and processor time of every replica, the dependency's counts.

    run.py ──Job──▶ watch.py ──▶ sampler.py (own process) ──once a second──▶ samples

Nothing here imports the load, nor changes what it looks at; `dependency.py` alone arms and clears the script.
"""
