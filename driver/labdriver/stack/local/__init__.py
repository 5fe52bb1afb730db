"""The stack without containers: processes of this machine under one small supervisor.

runtime.py   ──starts, asks──▶  supervisor.py  ──keeps──▶  labsvc processes, embedded Postgres
   │  what commands call            │  control.py: one JSON line a question
   └───────── state.py: .lab/stack.json, who runs and where ─────────┘
"""
