"""Proves the driver on this machine: what it reports is compared with what is known to be true.

    checks/*.py ──▶ server.py (own process, tells when each request really came) ◀── load/drive.py

A check is a module of `checks/` that exports CHECK; `run.py` finds them by name.
"""
