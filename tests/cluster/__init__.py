"""What runs inside a Ray cluster, without Ray: real supervisors, zygotes and executors."""
