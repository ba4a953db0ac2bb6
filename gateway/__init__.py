"""The gateway: the data plane over HTTP, between callers and executors, and the door to the control plane.

A call's road: `server` → `invoke` → `dispatch` → (frame) → executor → back; `journal` on the side.
"""
