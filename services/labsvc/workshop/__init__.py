"""One workshop delivery: session, people, tickets, runs. Knows HTTP and hub through `rest` and a callback only."""
