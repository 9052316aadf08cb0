"""A network followed while it trains: what a look says, and what it leaves as it was."""

import random
import subprocess
import sys
import warnings

import jax
import numpy as np
import pytest

import sim
from sim import Measurement, Monitor, find_phases, tabular_features
from sim.measurement import PartialScore
from theory import SALIENCE, optimal_interactions, reconstruct

N = 3


def course(weights):
    """A score with a term of order N besides single ones."""

    def score(x):
        return x @ np.asarray(weights[:N]) + weights[N] * x.prod(axis=1)

    return score


def followed(weights, samples=5, **options):
    """A monitor after a look at each row of weights (looks, N + 1)."""
    inputs = np.ones((samples, N)) * np.linspace(1.0, 1.3, samples)[:, None]
    monitor = Monitor(None, inputs, tabular_features(N, N, baseline=0.0), **options)
    for epoch, row in enumerate(weights):
        monitor.update(epoch, 2.0 - 0.1 * epoch, 3.0 - 0.2 * epoch, score=course(row))
    return monitor


TWO_PHASES = np.c_[np.ones((12, N)), [6, 5, 4, 3, 2, 1.5, 2, 3, 4, 5, 6, 7]]


@pytest.fixture(scope="module")
def monitor():
    return followed(TWO_PHASES)


def by_definition(outputs):
    """Strength by order (samples, n), and how many interactions are salient, one by one."""
    found = sim.extract_interactions(outputs)
    threshold = SALIENCE * np.mean([abs(v[-1] - v[0]) for v in outputs])
    strength, count = np.zeros((len(outputs), N)), 0
    for part in (np.asarray(found.i_and), np.asarray(found.i_or)):
        for sample, s in np.ndindex(part.shape):
            if s and abs(part[sample, s]) >= threshold:
                strength[sample, s.bit_count() - 1] += abs(part[sample, s])
                count += 1
    return strength, count


def test_a_look_counts_what_is_salient_by_definition():
    outputs = np.random.default_rng(3).normal(size=(5, 2**N))  # OR and AND interactions
    report = Monitor.replay(Measurement(outputs[None], [0]))[0]
    strength, count = by_definition(outputs)
    assert report.salient == count / 5
    np.testing.assert_allclose(report.strength, strength.mean(axis=0))
    expected = strength.sum(axis=0) @ [1, 2, 3] / strength.sum()
    assert report.mean_order == pytest.approx(expected)


def test_two_phases_are_found_as_a_watched_run_has_them(monitor):
    strengths = [by_definition(outputs)[0] for outputs in monitor.measurement().outputs]
    watched = find_phases(range(12), strengths, watching=True)
    assert watched.pattern == "two-phase"
    report = monitor.reports[-1]
    assert (report.phase, report.boundary) == (2, watched.boundary)
    assert report.found_at == watched.found_at
    first = next(r for r in monitor.reports if r.phase == 2)
    assert first.epoch == watched.found_at  # no look before it knew
    assert all(r.phase == 0 for r in monitor.reports[: int(watched.found_at)])
    assert "orders rise since epoch 5" in str(report)
    assert "not found so far" in str(monitor.reports[3])


def test_a_report_is_one_line_and_flat_numbers(monitor):
    first, last = monitor.reports[0], monitor.reports[-1]
    assert "\n" not in str(last)
    numbers = last.as_dict()
    assert all(type(value) is float and np.isfinite(value) for value in numbers.values())
    assert numbers["interactions/strength_order_03"] == last.strength[2]
    assert numbers["interactions/phase"] == 2
    assert {"interactions/sigma2", "interactions/boundary"}.isdisjoint(first.as_dict())


@pytest.mark.slow
def test_sigma2_is_that_of_the_look_before_in_the_direct_comparison():
    """As `fit_noise` has it, of the two looks alone."""
    rng = np.random.default_rng(1)
    outputs = rng.normal(size=(3, 5, 2**N)) + 4 * rng.normal(size=(5, 2**N))
    # A look whose interactions are what is learned of the next one's under noise.
    found = sim.extract_interactions(outputs[2])
    outputs[1] = reconstruct(*(optimal_interactions(i, 0.02) for i in (found.i_and, found.i_or)))
    reports = Monitor.replay(Measurement(outputs, [0, 1, 2]))
    assert reports[0].sigma2 is None
    for look in (1, 2):
        pair = outputs[look - 1 : look + 1]
        both = sim.extract_interactions(pair)
        fit = sim.fit_noise(
            both.i_and, both.i_or, pair, [0, 1], through="direct", both_ends=False, resamples=0
        )
        expected = None if fit.bound[0] else pytest.approx(fit.sigma2[0], rel=1e-6)
        assert reports[look].sigma2 == expected
    assert reports[2].sigma2 is not None


def behind(weights):
    """A score from behind a layer, whose weight is the first; the rest leads around it."""

    def split(given):
        given = given if isinstance(given, dict) else {"x": given, "mask": np.ones_like(given)}
        return weights[0] * given["x"], {"mask": given["mask"]}

    return PartialScore(split, lambda maps, kept: (maps * kept["mask"]).sum(axis=1) ** 3)


@pytest.mark.parametrize("named", [False, True])
def test_what_a_layer_makes_is_made_anew_at_every_look(tmp_path, named):
    """Of the same inputs, each with the mask that is its own."""
    x, mask = np.linspace(1, 2, 5 * N).reshape(5, N), np.ones((5, N))
    mask[1:3, 2] = 0
    given = {"x": x, "mask": mask} if named else x
    players = tabular_features(N, N)

    def watched(weights, path=None):
        score = behind(weights)
        made = score.inputs(given)  # a monitor of names makes them by itself
        if path is not None:
            return Monitor.load(path, score)
        return Monitor(behind(weights) if named else score, given if named else made, players)

    weights = [1.0]
    monitor = watched(weights)
    monitor.update(0)
    weights[0] = -2.0
    monitor.update(1)
    got = monitor.measurement().outputs
    sizes = x * mask if named else x
    chosen = players.regions.argmax(axis=1)  # players in the order drawn
    for sample, s in np.ndindex(5, 2**N):
        shown = sum(sizes[sample, chosen[i]] for i in range(N) if s >> i & 1)
        np.testing.assert_allclose(got[:, sample, s], [shown**3, -8 * shown**3])
    monitor.save(tmp_path / "monitor.npz")
    resumed = watched([3.0], tmp_path / "monitor.npz")  # whose layer is another by now
    resumed.update(2)
    np.testing.assert_allclose(resumed.measurement().outputs[2], 27 * got[0])
    fresh = watched([5.0])
    fresh.resume(tmp_path / "monitor.npz")
    assert fresh.epochs.tolist() == [0, 1]
    other = Monitor(behind([1.0]), {"x": 2 * x, "mask": mask}, players)
    with pytest.raises(ValueError, match="is of another"):
        other.resume(tmp_path / "monitor.npz")


def test_a_layer_wants_its_inputs_and_names_a_score_that_takes_them():
    x, players = np.ones((2, N)), tabular_features(N, N)
    with pytest.raises(ValueError, match=r"Call `score.inputs\(…\)` first"):
        Monitor(behind([1.0]), x, players).update(0)
    with pytest.raises(ValueError, match="must be a `huggingface_score`, where inputs have names"):
        Monitor(course(np.ones(N + 1)), {"x": x}, players).update(0)


def test_a_look_without_a_salient_interaction_says_so():
    monitor = followed([[0.0] * (N + 1), [1.0] * (N + 1), [1.0, 1.0, 2.0, 3.0]])
    reports = monitor.reports
    assert str(reports[0]) == "epoch 0: no interaction is salient"
    assert "interactions/mean_order" not in reports[0].as_dict()
    assert reports[2].mean_order is not None
    assert reports[2].spread is None  # of two looks with strength
    assert reports[1].sigma2 is None


def test_a_resumed_run_has_the_same_reports(monitor, tmp_path):
    half = followed(TWO_PHASES[:6])
    half.save(tmp_path / "monitor.npz")
    resumed = Monitor.load(tmp_path / "monitor.npz")
    again = followed([])
    again.load_state_dict(half.state_dict())
    for other in (resumed, again):
        for epoch in range(6, 12):
            losses = 2.0 - 0.1 * epoch, 3.0 - 0.2 * epoch
            other.update(epoch, *losses, score=course(TWO_PHASES[epoch]))
        for one, two in zip(monitor.reports, other.reports, strict=True):
            assert one.as_dict() == two.as_dict()
            assert str(one) == str(two)
        np.testing.assert_array_equal(other.measurement().outputs, monitor.measurement().outputs)
    with pytest.raises(FileExistsError):
        half.save(tmp_path / "monitor.npz")


def test_a_state_of_something_else_is_refused(monitor, tmp_path):
    other = followed([], samples=4)
    with pytest.raises(ValueError, match="`state` must be of a monitor with the same inputs"):
        other.load_state_dict(monitor.state_dict())
    with pytest.raises(ValueError, match="same inputs, players, labels and options"):
        followed([], level=0.01).load_state_dict(monitor.state_dict())
    with pytest.raises(ValueError, match="lacks outputs"):
        other.load_state_dict({"epochs": [1]})
    np.savez(tmp_path / "other.npz", outputs=np.zeros(3))
    with pytest.raises(ValueError, match=r"other\.npz: has no array epochs"):
        Monitor.load(tmp_path / "other.npz")


def test_the_measurement_goes_on_to_the_command_line(monitor, tmp_path):
    measurement = monitor.measurement(inputs=True)
    measurement.save(tmp_path / "measurement.npz")
    loaded = Measurement.load(tmp_path / "measurement.npz")
    assert (loaded.checkpoints, loaded.samples, loaded.n) == (12, 5, N)
    np.testing.assert_allclose(loaded.test_loss, 3.0 - 0.2 * np.arange(12))
    assert loaded.train_accuracy is None
    np.testing.assert_array_equal(loaded.inputs, monitor.inputs)
    assert loaded.players(0) == monitor.measurement().players(0)
    # The same reports of the finished run.
    for one, two in zip(monitor.reports, Monitor.replay(loaded), strict=True):
        assert one.as_dict() == two.as_dict()


def test_faults_are_named_and_no_failed_look_is_kept():
    monitor = followed(TWO_PHASES[:2])
    for epoch, must in ((1, "be after 1"), (0.5, "be after 1"), (np.nan, "be finite")):
        with pytest.raises(ValueError, match=f"`epoch` must {must}"):
            monitor.update(epoch, score=course(TWO_PHASES[2]))
    with pytest.raises(ValueError, match="`score` must be given here or to the monitor"):
        monitor.update(2)
    with pytest.raises(ValueError, match="`train_loss` must be finite"):
        monitor.update(2, np.inf, score=course(TWO_PHASES[2]))
    with pytest.raises(ValueError, match="finite logits"):
        monitor.update(2, score=course([np.nan] * 4))
    assert len(monitor.reports) == 2
    with pytest.raises(TypeError, match="`players` must be a Masking"):
        Monitor(None, np.ones((2, 3)), 3)
    with pytest.raises(ValueError, match="needs a look"):
        followed([]).measurement()
    with pytest.raises(ValueError, match="`measurement` must hold one training run"):
        Monitor.replay(Measurement(np.zeros((2, 4, 8)), [0, 1], runs=2))


def trained(watch):
    """A small network with dropout, after a few steps, with and without a monitor."""
    torch = pytest.importorskip("torch")
    random.seed(1)
    np.random.seed(2)  # noqa: NPY002
    torch.manual_seed(3)
    inputs = torch.randn(40, N)
    labels = (inputs[:, 0] * inputs[:, 1] > 0).long()
    network = torch.nn.Sequential(
        torch.nn.Linear(N, 8),
        torch.nn.BatchNorm1d(8),
        torch.nn.ReLU(),
        torch.nn.Dropout(0.3),
        torch.nn.Linear(8, 2),
    )
    network[1].eval()  # a frozen part
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1)
    monitor = Monitor(network, inputs[:5].numpy(), tabular_features(N, N), labels[:5].numpy())

    def drawing(batch):  # a score that draws numbers itself
        random.random(), np.random.random(), torch.rand(1)  # noqa: NPY002
        return sim.torch_score(network)(batch)

    for epoch in range(3):
        chosen = torch.randperm(40)[: 10 + random.randrange(5) + np.random.randint(5)]  # noqa: NPY002
        loss = torch.nn.functional.cross_entropy(network(inputs[chosen]), labels[chosen])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if watch:
            monitor.update(epoch, loss.item(), score=drawing if epoch == 1 else None)
    return network


def test_a_watched_network_trains_to_the_same_bits():
    plain, watched = trained(False), trained(True)
    for name, parameter in plain.state_dict().items():
        np.testing.assert_array_equal(parameter.numpy(), watched.state_dict()[name].numpy())
    modes = [part.training for part in plain.modules()]
    assert modes == [part.training for part in watched.modules()]
    assert modes.count(False) == 1


def probe():
    """Five inputs of N features, their players and labels."""
    inputs = np.random.default_rng(0).normal(size=(5, N)).astype(np.float32)
    return inputs, tabular_features(N, N), np.array([0, 1, 0, 1, 0])


def framework(name):
    """A framework, if it is installed; what it warns of is its own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip(name)


frameworks = pytest.mark.filterwarnings("default")  # theirs are not ours


@pytest.mark.slow
@frameworks
def test_lightning_logs_each_look_and_resumes_from_its_checkpoint(tmp_path):
    lightning, torch = framework("lightning.pytorch"), framework("torch")
    from lightning.pytorch.loggers import CSVLogger

    class Classifier(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.net = torch.nn.Sequential(torch.nn.Linear(N, 8), torch.nn.Dropout(0.5))
            self.out = torch.nn.Linear(8, 2)

        def forward(self, x):
            return self.out(torch.relu(self.net(x)))

        def training_step(self, batch, index):
            loss = torch.nn.functional.cross_entropy(self(batch[0]), batch[1])
            self.log("train_loss", loss, on_step=False, on_epoch=True)
            return loss

        def validation_step(self, batch, index):
            self.log("val_loss", torch.nn.functional.cross_entropy(self(batch[0]), batch[1]))

        def configure_optimizers(self):
            return torch.optim.SGD(self.parameters(), lr=0.1)

    def fit(epochs, folder, checkpoint=None, watch=True):
        lightning.seed_everything(0, verbose=False)
        x = torch.randn(32, N)
        data = torch.utils.data.TensorDataset(x, (x[:, 0] * x[:, 1] > 0).long())
        loaders = [torch.utils.data.DataLoader(data, batch_size=8) for _ in range(2)]
        monitor = Monitor(None, *probe())
        trainer = lightning.Trainer(
            max_epochs=epochs,
            accelerator="cpu",
            logger=CSVLogger(folder, flush_logs_every_n_steps=1),
            callbacks=[monitor.for_lightning()] if watch else [],
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
        )
        module = Classifier()
        trainer.fit(module, *loaders, ckpt_path=checkpoint)
        trainer.save_checkpoint(folder / "last.ckpt")
        return monitor, trainer, module

    whole, trainer, module = fit(4, tmp_path / "whole")
    assert whole.epochs.tolist() == [0, 1, 2, 3, 4]
    assert trainer.global_step == 16
    assert not np.isnan(whole.state_dict()["test_loss"][1:]).any()
    assert whole.reports[0].test_loss is None
    table = next((tmp_path / "whole").rglob("metrics.csv")).read_text().splitlines()
    names = table[0].split(",")
    rows = [dict(zip(names, line.split(","), strict=True)) for line in table[1:]]
    logged = [(r["step"], r["interactions/salient"]) for r in rows if r["interactions/salient"]]
    assert [int(step) for step, _ in logged] == [0, 4, 8, 12, 16]
    np.testing.assert_allclose([float(x) for _, x in logged], [r.salient for r in whole.reports])

    _, _, unwatched = fit(4, tmp_path / "unwatched", watch=False)
    for one, other in zip(module.parameters(), unwatched.parameters(), strict=True):
        assert torch.equal(one, other)

    half, _, _ = fit(2, tmp_path / "half")
    resumed, _, _ = fit(4, tmp_path / "resumed", tmp_path / "half" / "last.ckpt")
    assert resumed.epochs.tolist() == [0, 1, 2, 3, 4]
    looks = half.measurement().outputs
    np.testing.assert_array_equal(resumed.measurement().outputs[:3], looks)


@pytest.mark.slow
@frameworks
def test_transformers_trainer_is_watched_and_resumes_beside_its_checkpoint(tmp_path):
    transformers, torch = framework("transformers"), framework("torch")
    config = transformers.BertConfig(
        vocab_size=20,
        hidden_size=8,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=8,
    )
    rng = np.random.default_rng(0)
    words = rng.integers(2, 20, size=(16, N))
    data = [{"input_ids": row, "labels": int(row[0] > row[1])} for row in words]
    attention = np.ones((5, N), dtype=int)
    attention[1:3, -1] = 0
    given = {"input_ids": words[:5], "attention_mask": attention}
    labels = np.array([0, 1, 0, 1, 0])

    def fit(epochs, folder, resume=None, watch=True):
        transformers.set_seed(0)
        model = transformers.BertForSequenceClassification(config)
        arguments = transformers.TrainingArguments(
            str(folder),
            num_train_epochs=epochs,
            per_device_train_batch_size=8,
            save_strategy="epoch",
            report_to=[],
            disable_tqdm=True,
            use_cpu=True,
            lr_scheduler_type="constant",
        )
        trainer = transformers.Trainer(model, arguments, train_dataset=data)
        monitor = Monitor(None, given, sim.tokens(N, N, mask=1), labels)
        if watch:
            trainer.add_callback(monitor.for_transformers(log=trainer.log))
        trainer.train(resume_from_checkpoint=resume)
        return monitor, trainer

    whole, trainer = fit(3, tmp_path / "whole")
    assert whole.epochs.tolist() == [0, 1, 2, 3]
    with torch.no_grad():
        said = trainer.model.eval()(**{name: torch.tensor(x) for name, x in given.items()}).logits
    odds = (said[:, 1] - said[:, 0]).numpy() * np.where(labels, 1, -1)
    np.testing.assert_allclose(whole.measurement().outputs[-1, :, -1], odds, atol=1e-5)
    history = [e for e in trainer.state.log_history if "interactions/salient" in e]
    assert [entry["step"] for entry in history] == [0, 2, 4, 6]
    assert [entry["interactions/salient"] for entry in history] == [
        report.salient for report in whole.reports
    ]
    _, unwatched = fit(3, tmp_path / "unwatched", watch=False)
    pairs = zip(trainer.model.parameters(), unwatched.model.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)

    resumed, _ = fit(3, tmp_path / "whole", str(tmp_path / "whole" / "checkpoint-4"))
    assert resumed.epochs.tolist() == [0, 1, 2, 3]
    np.testing.assert_array_equal(
        resumed.measurement().outputs[:3], whole.measurement().outputs[:3]
    )


@pytest.mark.slow
@frameworks
def test_keras_history_holds_each_look(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    keras = framework("keras")
    if keras.backend.backend() != "jax":
        pytest.skip("Keras runs on another backend in this process")
    rng = np.random.default_rng(0)
    x = rng.normal(size=(32, N)).astype(np.float32)
    y = (x[:, 0] * x[:, 1] > 0).astype(int)

    def fit(watch):
        keras.utils.set_random_seed(0)
        model = keras.Sequential(
            [keras.layers.Dense(8, "relu"), keras.layers.Dropout(0.5), keras.layers.Dense(2)]
        )
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.SGD(0.1), loss)
        model.build((None, N))
        monitor = Monitor(None, *probe())
        callbacks = [monitor.for_keras(every=2)] if watch else []
        options = {"epochs": 4, "validation_data": (x, y), "verbose": 0, "callbacks": callbacks}
        return monitor, model.fit(x, y, **options).history, model

    with jax.numpy_rank_promotion("allow"):  # Keras relies on it
        (monitor, history, model), (_, _, unwatched) = fit(True), fit(False)
        last = np.asarray(model(probe()[0], training=False))
    assert monitor.epochs.tolist() == [0, 2, 4]
    assert history["interactions/salient"] == [r.salient for r in monitor.reports[1:]]
    assert [r.test_loss for r in monitor.reports[1:]] == history["val_loss"][1::2]
    outputs = monitor.measurement().outputs
    assert not np.array_equal(outputs[0], outputs[1])  # it reads the network as it is
    expected = last[np.arange(5), probe()[2]] - last[np.arange(5), 1 - probe()[2]]
    np.testing.assert_allclose(outputs[-1, :, -1], expected, atol=1e-5)
    for one, other in zip(model.get_weights(), unwatched.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.slow
@frameworks
def test_tensorboard_reads_each_look_at_its_epoch(monitor, tmp_path):
    framework("tensorboard")
    framework("torch")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(tmp_path) as writer:
        for report in monitor.reports:
            for name, value in report.as_dict().items():
                writer.add_scalar(name, value, int(report.epoch))
    events = EventAccumulator(str(tmp_path)).Reload().Scalars("interactions/mean_order")
    assert [event.step for event in events] == list(range(12))
    np.testing.assert_allclose(
        [event.value for event in events], [r.mean_order for r in monitor.reports], rtol=1e-6
    )


def test_a_framework_that_is_missing_is_named(monkeypatch):
    for name in ("lightning", "transformers", "keras"):
        monkeypatch.setitem(sys.modules, name, None)
    monitor = followed([])
    for name in ("lightning", "transformers", "keras"):
        with pytest.raises(ImportError, match=rf"needs the package '{name}'; pip install"):
            getattr(monitor, f"for_{name}")()


def test_no_framework_is_imported_with_the_monitor():
    program = (
        "import sys, sim; sim.Monitor; "
        "assert not {'torch', 'lightning', 'transformers', 'keras', 'tensorboard'} & {*sys.modules}"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
