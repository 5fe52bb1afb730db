"""Sends the load of a scenario, open loop, and says what became of every planned request.

    plan.py ──▶ drive.py (our process) ──JSON over stdin──▶ child.py (Locust, gevent) ──spool──▶ rows

Only the child's modules (child, caller, pacing, dispatch) import Locust or gevent, because that patches the
whole process.
"""
