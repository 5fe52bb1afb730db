"""Record in, card out. Pure: reads no clock, no file, no network.

    Record ──▶ books/<name>.py (was every claim true?) ──▶ Evidence ──▶ rules/<name>.py ──▶ Card (card.py)
                                                               └─▶ metrics.py, verdict.py

`compare.py` sets two records side by side, `line.py` writes and reads the score line.
"""
