"""One file a check, each with `CHECK`. A check looks; it never changes anything and never uses the network."""
