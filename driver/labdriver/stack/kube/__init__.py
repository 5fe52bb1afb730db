"""The stack on Kubernetes: a k3d cluster of this checkout, or any cluster that the participant names.

runtime.py ──▶ cluster.py: k3d.py (made and mended here) | named.py (given by the participant)
    │              image.py builds, supply.py hands over, bundle.py knows what was prefetched
    └──▶ delivery.py ──▶ desired.py (k8s/, labs.py) ──applied──▶ rollout.py watches ──▶ pages.py: it answers
              api.py: one HTTP call each, its context always named; observe.py reads
"""
