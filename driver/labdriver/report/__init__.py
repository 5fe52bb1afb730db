"""Record and card in, page out; from the records of all runs, the index and the leaderboard.

    publish.py ──▶ history.py (what ran before) ──▶ page.py ──▶ panels/<name>.py, cause.py ──▶ report.html
             └───▶ leaderboard.py ──▶ index.py ──▶ index.html

Pages work from `file://` without network; the charts' library lies once in `reports/assets/`.
"""
