"""What runs inside a Ray cluster: the agent, the supervisors that host executors, and the scaling policy.

The only package that imports ray (agent, replica, scaling and application do; supervisor and zygotes do not need it).
"""
