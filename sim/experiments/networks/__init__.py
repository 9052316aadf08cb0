"""The standard networks for images, sentences, tables and clouds of points, cut where one likes."""

from sim.experiments.networks._build import NETWORKS as NETWORKS, build as build
from sim.experiments.networks._convolution import max_pool as max_pool
from sim.experiments.networks._encoder import (
    Block as Block,
    normal as normal,
    normalised as normalised,
)
from sim.experiments.networks._stages import Stages as Stages
from sim.experiments.networks._vit import tilings as tilings
