"""Networks that really train, by name: what a measurement needs before it is measured."""

from sim.experiments._recording import (
    record as record,
    recording_identity as recording_identity,
)
from sim.experiments._reference import Network as Network, train_network as train_network
from sim.experiments._registry import (
    BUNDLED as BUNDLED,
    CHECKPOINT_EPOCHS as CHECKPOINT_EPOCHS,
    STANDARD as STANDARD,
    STANDARD_EPOCHS as STANDARD_EPOCHS,
    Checkpoint as Checkpoint,
    DataSettings as DataSettings,
    Experiment as Experiment,
    PlayerSettings as PlayerSettings,
    Settings as Settings,
    State as State,
    Train as Train,
    TrainingSettings as TrainingSettings,
    experiment_names as experiment_names,
    prepare as prepare,
    register as register,
)
from sim.experiments._saved import (
    SavedNetwork as SavedNetwork,
    find_checkpoints as find_checkpoints,
    prepare_saved as prepare_saved,
    register_saved as register_saved,
)
from sim.experiments._unfinished import (
    Checkpoints as Checkpoints,
    forget_saved as forget_saved,
    save_recording as save_recording,
)
