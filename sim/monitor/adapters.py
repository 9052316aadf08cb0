"""A monitor inside the training loops of Lightning, Transformers and Keras, a few lines each.

The frameworks are imported only when their callback is asked for.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sim.checks import check_whole
from sim.measurement import huggingface_score, torch_score


def lightning_callback(monitor: Any, every: int, train_loss: str, test_loss: str) -> Any:
    """See `Monitor.for_lightning`."""
    check_whole(every, "every", 1)
    lightning, torch = _framework("lightning.pytorch"), _framework("torch")

    class MonitorCallback(lightning.Callback):  # type: ignore[name-defined]
        def on_train_start(self, trainer: Any, pl_module: Any) -> None:
            if not len(monitor.epochs):
                self.look(0, trainer, pl_module)

        def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
            if (trainer.current_epoch + 1) % every == 0:
                self.look(trainer.current_epoch + 1, trainer, pl_module)

        def look(self, epoch: int, trainer: Any, pl_module: Any) -> None:
            logged = {} if epoch == 0 else trainer.callback_metrics
            losses = [_number(logged.get(name)) for name in (train_loss, test_loss)]
            score = torch_score(pl_module) if monitor.score is None else None
            report = monitor.update(epoch, *losses, score=score)
            for logger in trainer.loggers:
                logger.log_metrics(report.as_dict(), step=trainer.global_step)

        def state_dict(self) -> dict[str, Any]:
            state = monitor.state_dict()
            return {name: torch.from_numpy(array.copy()) for name, array in state.items()}

        def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
            monitor.load_state_dict({name: x.numpy() for name, x in state_dict.items()})

    return MonitorCallback()


def transformers_callback(
    monitor: Any, every: int, log: Callable[[dict[str, float]], None] | None
) -> Any:
    """See `Monitor.for_transformers`."""
    check_whole(every, "every", 1)
    transformers = _framework("transformers")

    class MonitorCallback(transformers.TrainerCallback):  # type: ignore[name-defined]
        def file(self, args: Any, state: Any) -> Path:
            return Path(args.output_dir) / f"checkpoint-{state.global_step}" / "monitor.npz"

        def on_train_begin(
            self, args: Any, state: Any, control: Any, model: Any = None, **more: Any
        ) -> None:
            if state.global_step and self.file(args, state).exists():
                monitor.resume(self.file(args, state))
            elif not len(monitor.epochs):
                self.look(0, state, model)

        def on_epoch_end(
            self, args: Any, state: Any, control: Any, model: Any = None, **more: Any
        ) -> None:
            epoch = round(state.epoch)  # state.epoch is a sum of steps
            if epoch % every == 0:
                self.look(epoch, state, model)

        def look(self, epoch: int, state: Any, model: Any) -> None:
            score = None
            if monitor.score is None:
                score = huggingface_score(model)
                score.inputs(monitor.inputs if monitor.given is None else monitor.given)
            report = monitor.update(epoch, score=score)
            if log is not None:
                log({name: x for name, x in report.as_dict().items() if name != "epoch"})

        def on_save(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            monitor.save(self.file(args, state), overwrite=True)

    return MonitorCallback()


def keras_callback(monitor: Any, every: int) -> Any:
    """See `Monitor.for_keras`."""
    check_whole(every, "every", 1)
    keras = _framework("keras")

    class MonitorCallback(keras.callbacks.Callback):  # type: ignore[name-defined]
        def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
            if not len(monitor.epochs):
                self.look(0, {})

        def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
            if (epoch + 1) % every == 0:
                self.look(epoch + 1, {} if logs is None else logs)

        def look(self, epoch: int, logs: dict[str, Any]) -> None:
            model = self.model

            def own(batch: np.ndarray) -> np.ndarray:
                logits = keras.ops.convert_to_numpy(model(batch, training=False))
                return np.asarray(logits)

            losses = [_number(logs.get(name)) for name in ("loss", "val_loss")]
            report = monitor.update(epoch, *losses, score=own if monitor.score is None else None)
            prefixed = {name: x for name, x in report.as_dict().items() if "/" in name}
            logs.update(prefixed)

    return MonitorCallback()


def _number(logged: Any) -> float | None:
    return None if logged is None else float(logged)


def _framework(name: str) -> Any:
    package = name.partition(".")[0]
    try:
        importlib.import_module(package)
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise
        raise ImportError(
            f"This needs the package '{package}'; pip install 'interaction-dynamics[integrations]'."
        ) from None
