"""The remote dependency, simulated: answers calls, has scripted bad days, keeps a ledger of what it really did."""
