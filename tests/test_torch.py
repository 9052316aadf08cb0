"""PyTorch networks through the adapter: a really trained one, and what the adapter must not do."""

import numpy as np
import pytest

from sim import Masking, measure_outputs, tabular_features, tokens, torch_score

torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def trained():
    """A network with dropout and batch normalisation, trained by torch's own optimiser."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(200, 4)).astype(np.float32)
    labels = (inputs[:, 0] * inputs[:, 1] > 0).astype(np.int64) + (inputs[:, 2] > 1)
    network = torch.nn.Sequential(
        torch.nn.Linear(4, 16),
        torch.nn.BatchNorm1d(16),
        torch.nn.ReLU(),
        torch.nn.Dropout(0.2),
        torch.nn.Linear(16, 3),
    )
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1, momentum=0.9)
    losses = []
    for _ in range(60):
        loss = torch.nn.functional.cross_entropy(
            network(torch.tensor(inputs)), torch.tensor(labels)
        )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
    return network, inputs[:3], labels[:3]


def test_a_trained_network_is_measured_as_it_evaluates(trained):
    network, inputs, labels = trained
    network.train()
    masking = tabular_features(4, 3, baseline=0.5, seed=1)
    got = measure_outputs(torch_score(network), inputs, masking, labels)
    assert all(part.training for part in network.modules())
    network.eval()
    for sample in range(3):
        for s in range(8):
            masked = inputs[sample].copy()
            for player in range(3):
                if not (s >> player) & 1:
                    masked[masking.regions[player]] = 0.5
            logits = network(torch.tensor(masked)[None]).detach().double()
            p = torch.softmax(logits, dim=1)[0, labels[sample]].item()
            np.testing.assert_allclose(got[sample, s], np.log(p / (1 - p)), atol=1e-4)


def test_every_part_keeps_its_own_mode_even_after_an_error(trained):
    network, inputs, _ = trained
    network.train()
    network[1].eval()  # a frozen batch normalisation
    torch_score(network)(inputs)
    modes = [part.training for part in network]
    assert modes == [True, False, True, True, True]
    with pytest.raises(RuntimeError, match="shape"):
        torch_score(network)(inputs[:, :2])
    assert [part.training for part in network] == modes
    statistics = network[1].running_mean.clone()
    torch_score(network)(inputs * 100)
    assert torch.equal(network[1].running_mean, statistics)
    network.train()


def test_the_score_follows_training_and_leaves_no_gradients(trained):
    network, inputs, _ = trained
    score = torch_score(network)
    before = score(inputs)
    assert before.dtype == np.float64
    for parameter in network.parameters():
        parameter.grad = None
    with torch.no_grad():
        network[-1].bias += 1.0
    np.testing.assert_allclose(score(inputs), before + 1, atol=1e-5)
    assert all(parameter.grad is None for parameter in network.parameters())
    with torch.no_grad():
        network[-1].bias -= 1.0


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_inputs_take_the_type_of_the_module(dtype):
    layer = torch.nn.Linear(3, 2, bias=False).to(dtype)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, 2.0, 4.0], [0.5, 0.0, -1.0]]))
    got = torch_score(layer, device="cpu")(np.array([[1.0, 1.0, 2.0]]))
    assert got.tolist() == [[11.0, -1.5]]


def test_token_ids_stay_integers():
    class Counts(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = torch.nn.Embedding(10, 1)
            torch.nn.init.constant_(self.embedding.weight, 1.0)
            with torch.no_grad():
                self.embedding.weight[9] = 0.0  # the mask token

        def forward(self, ids):
            return self.embedding(ids).sum(dim=(1, 2))

    ids = np.array([[1, 2, 3, 4]])
    got = measure_outputs(torch_score(Counts()), ids, tokens(4, 3, mask=9))
    assert got.tolist() == [[1, 2, 2, 3, 2, 3, 3, 4]]


def test_a_layer_in_place_leaves_the_inputs_as_they_are():
    inputs = np.array([[-1.0, 2.0]])
    assert torch_score(torch.nn.ReLU(inplace=True))(inputs).tolist() == [[0.0, 2.0]]
    assert inputs.tolist() == [[-1.0, 2.0]]


def test_a_module_without_parameters():
    assert torch_score(torch.nn.Flatten())(np.ones((2, 1, 1))).tolist() == [[1.0], [1.0]]


def test_what_is_not_a_network():
    with pytest.raises(TypeError, match=r"`module` must be a torch\.nn\.Module, but is a function"):
        torch_score(lambda x: x)
    pair = torch.nn.LSTM(3, 2, batch_first=True)
    with pytest.raises(TypeError, match="must return a tensor of logits, but returned a tuple"):
        torch_score(pair)(np.ones((2, 5, 3)))


class Skipping(torch.nn.Module):
    """Convolutions of which one has a connection around it, with rectifiers in place."""

    def __init__(self, skip):
        super().__init__()
        self.skip = skip
        self.first = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3, padding=1), torch.nn.ReLU(True))
        self.second = torch.nn.Sequential(torch.nn.Conv2d(2, 2, 3, padding=1), torch.nn.ReLU(True))
        self.drop = torch.nn.Dropout(0.5)
        self.head = torch.nn.Linear(2 * 16, 3)

    def before(self, x):
        return self.second[0](self.first(x))  # the output of `second.0`

    def after(self, maps, x):
        maps = torch.relu(maps)
        if self.skip:
            maps = maps + self.first(x)
        return self.head(self.drop(maps).flatten(1))

    def forward(self, x):
        return self.after(self.second(self.first(x)) - 0, x) if self.skip else self._plain(x)

    def _plain(self, x):
        return self.head(self.drop(self.second(self.first(x))).flatten(1))


def quadrants():
    """Players are the quarters of a map of 4 × 4, over both channels."""
    regions = np.zeros((4, 2, 4, 4), dtype=bool)
    for player in range(4):
        row, column = 2 * (player // 2), 2 * (player % 2)
        regions[player, :, row : row + 2, column : column + 2] = True
    return Masking(regions, -0.25, (2, 4, 4))


@pytest.fixture
def images():
    return np.random.default_rng(1).normal(size=(3, 1, 4, 4)).astype(np.float32)


def measured_by_hand(network, images, labels):
    """The network in two pieces, masked in between."""
    network.eval()
    masking, expected = quadrants(), np.zeros((3, 16))
    with torch.no_grad():
        for sample, image in enumerate(torch.tensor(images)[:, None]):
            maps = network.before(image).numpy()
            for s in range(16):
                masked = maps.copy()
                for player in range(4):
                    if not (s >> player) & 1:
                        masked[0][masking.regions[player]] = -0.25
                logits = network.after(torch.tensor(masked), image).double()
                p = torch.softmax(logits, dim=1)[0, labels[sample]].item()
                expected[sample, s] = np.log(p / (1 - p))
    return expected


def test_masked_feature_maps_go_through_the_layers_that_follow(images):
    torch.manual_seed(0)
    network, labels = Skipping(skip=False).train(), [2, 0, 1]
    score = torch_score(network, at="second.0")
    maps = score.inputs(images)
    assert maps.min() < -0.25  # as the convolution gave them, before the rectifier in place
    kept = maps.copy()
    got = measure_outputs(score, maps, quadrants(), labels)
    np.testing.assert_array_equal(maps, kept)
    assert all(part.training for part in network.modules())
    assert all(parameter.grad is None for parameter in network.parameters())
    assert not any(part._forward_hooks for part in network.modules())
    np.testing.assert_allclose(got, measured_by_hand(network, images, labels), atol=1e-5)
    np.testing.assert_allclose(score(maps), torch_score(network)(images), atol=1e-6)


def test_a_skip_connection_keeps_leading_each_sample_itself_and_that_is_said(images):
    torch.manual_seed(0)
    network, labels = Skipping(skip=True), [2, 0, 1]
    score = torch_score(network, at="second.0")
    with pytest.warns(UserWarning, match=r"passes the layer 'second\.0' by"):
        maps = score.inputs(images)
    got = measure_outputs(score, maps, quadrants(), labels)
    np.testing.assert_allclose(got, measured_by_hand(network, images, labels), atol=1e-5)


def test_large_inputs_beside_small_maps_are_taken_in_parts(images, monkeypatch):
    torch.manual_seed(0)
    network, seen = Skipping(skip=False), []
    score = torch_score(network, at="second.0")
    maps = score.inputs(images)
    whole = measure_outputs(score, maps, quadrants(), [2, 0, 1])
    monkeypatch.setattr("sim.measurement.partial_score.REST_BYTES", 5 * images[0].nbytes)
    network.register_forward_hook(lambda _, given, __: seen.append(len(given[0])))
    parts = measure_outputs(score, maps, quadrants(), [2, 0, 1])
    assert seen == [5, 5, 5, 1] * 3
    np.testing.assert_allclose(parts, whole, atol=1e-6)


def test_of_a_layer_that_returns_several_tensors_the_first_is_masked():
    torch.manual_seed(0)
    recurrent, head = torch.nn.GRU(3, 4, batch_first=True), torch.nn.Linear(4, 2)

    class Reads(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.recurrent, self.head = recurrent, head

        def forward(self, x):
            return self.head(self.recurrent(x)[0].mean(dim=1))

    x = np.random.default_rng(0).normal(size=(2, 5, 3)).astype(np.float32)
    score = torch_score(Reads(), at="recurrent")
    maps = score.inputs(x)
    assert maps.shape == (2, 5, 4)
    maps[:, 2:] = 0.5
    expected = head(torch.tensor(maps).mean(dim=1)).detach().numpy()
    np.testing.assert_allclose(score(maps), expected, atol=1e-6)


def test_what_is_not_a_layer_or_not_its_samples(images):
    network = Skipping(skip=False)
    with pytest.raises(
        ValueError, match=r"`at` must name a layer .* such as second\.0.*'secnd\.0'"
    ):
        torch_score(network, at="secnd.0")
    with pytest.raises(ValueError, match="`at` must name a layer"):
        torch_score(network, at="")
    score = torch_score(network, at="second.0")
    with pytest.raises(ValueError, match=r"Call `score\.inputs\(…\)` first"):
        measure_outputs(score, np.ones((3, 2, 4, 4)), quadrants(), [2, 0, 1])
    maps = score.inputs(images)
    with pytest.raises(ValueError, match=r"must be those of the 3 samples .* holds 2"):
        measure_outputs(score, maps[:2], quadrants(), [2, 0])
    with pytest.raises(ValueError, match=r"outputs of the layer 'second\.0', of shape \(3, 2, 4"):
        score(images)
    assert not network.second[0]._forward_hooks
    shared = torch.nn.Linear(2, 2)
    with pytest.raises(ValueError, match="runs once in a pass, but '0' runs 2 times"):
        torch_score(torch.nn.Sequential(shared, shared), at="0").inputs(np.ones((1, 2)))
    pair = torch.nn.ModuleDict({"inner": torch.nn.Identity()})
    pair.forward = lambda x: pair["inner"]([x])[0]
    with pytest.raises(ValueError, match="returns a tensor, but 'inner' returns a list"):
        torch_score(pair, at="inner").inputs(np.ones((1, 2)))
