"""The one binary of the stack: `labsvc api|worker|depsim|generator`. Never imports labdriver."""
