"""The simulation kernel: time, chance, queues, modifiers and scenarios. Knows no business; see README.md."""
