"""The one binary of the stack: `labsvc api|worker|estimator|depsim|generator`. Never imports labdriver."""
