"""Scored criteria: one file each, named by `rule:` in a scenario. Each exports `RULE`."""
