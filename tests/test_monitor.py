"""A network followed while it trains: what a look says, and what it leaves as it was."""

import random

import numpy as np
import pytest

import sim
from sim import Measurement, Monitor, find_phases, tabular_features
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
    with pytest.raises(ValueError, match=r"other\.npz: must hold"):
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
