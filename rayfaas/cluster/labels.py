"""Labels of Ray nodes that the keeper started."""

from __future__ import annotations

# Which of its launches the node is.
ATTEMPT = "rayfaas-attempt"
# "yes" where it has a GPU, of which Ray may not know.
GPU = "rayfaas-gpu"
# "yes" where it is another machine than the home's: it reaches the home over the network.
AWAY = "rayfaas-away"
YES = "yes"
