"""Charts of the report: one file each, named by `panel:` in a scenario. Each exports `PANEL`."""
