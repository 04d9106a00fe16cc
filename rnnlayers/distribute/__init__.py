"""Training on several processes and machines with plain `fit`, by TensorFlow's collectives."""

from rnnlayers.distribute.callbacks import ChiefOnly, Synchronize, broadcast, callbacks
from rnnlayers.distribute.cluster import Cluster
from rnnlayers.distribute.collectives import bytes_from_chief, gather
from rnnlayers.distribute.meeting import MeetingError
from rnnlayers.distribute.model import distribute_model, undistributed_optimizer
from rnnlayers.distribute.optimizer import DistributedOptimizer
from rnnlayers.distribute.processes import initialize, is_chief, rank, size
from rnnlayers.distribute.sharding import even_out, shard, share

__all__ = [
    "ChiefOnly",
    "Cluster",
    "DistributedOptimizer",
    "MeetingError",
    "Synchronize",
    "broadcast",
    "bytes_from_chief",
    "callbacks",
    "distribute_model",
    "even_out",
    "gather",
    "initialize",
    "is_chief",
    "rank",
    "shard",
    "share",
    "size",
    "undistributed_optimizer",
]
