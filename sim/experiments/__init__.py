"""Networks that really train, by name: what a measurement needs before it is measured."""

from sim.experiments._recording import record as record
from sim.experiments._reference import Network as Network, train_network as train_network
from sim.experiments._registry import (
    BUNDLED as BUNDLED,
    CHECKPOINT_EPOCHS as CHECKPOINT_EPOCHS,
    Checkpoint as Checkpoint,
    Experiment as Experiment,
    Settings as Settings,
    State as State,
    Train as Train,
    experiment_names as experiment_names,
    prepare as prepare,
    register as register,
)
from sim.experiments._unfinished import (
    forget_saved as forget_saved,
    save_recording as save_recording,
)
