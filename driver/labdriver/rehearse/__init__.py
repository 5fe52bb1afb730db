"""A workshop without people: bots join, run with recorded results, take tickets; the books are checked at the end."""
