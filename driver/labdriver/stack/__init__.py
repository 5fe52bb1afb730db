"""Where the stack runs. One interface (`runtime.py`), one module or folder a runtime: local, k3d/kube."""
