"""One file a command: parse, call, print. Each exports `COMMAND`; the file's name is the command's name."""
