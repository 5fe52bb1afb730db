"""How claims are checked: one file for each kind of claim, named by `books:` in a scenario. Each exports `BOOKS`."""
