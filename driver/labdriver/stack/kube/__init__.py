"""The stack on Kubernetes: a k3d cluster of this checkout, or any cluster that the participant names.

runtime.py  up, dev, reset, down ──▶ cluster.py: k3d.py (makes and mends one) or named.py (is given one)
    │                                   image.py builds, bundle.py knows what was prefetched
    ├── desired.py  k8s/base + labs ──▶ the objects as they should be
    ├── rollout.py  waits by watching, tells why when it hangs
    ├── observe.py  replicas, restarts, autoscalers, processor time
    └── api.py      one HTTP call each, always with its context named
"""
