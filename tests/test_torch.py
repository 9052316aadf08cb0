"""PyTorch networks through the adapter: a really trained one, and what the adapter must not do."""

import numpy as np
import pytest

from sim import measure_outputs, tabular_features, tokens, torch_score

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


def test_a_module_without_parameters():
    assert torch_score(torch.nn.Flatten())(np.ones((2, 1, 1))).tolist() == [[1.0], [1.0]]


def test_what_is_not_a_network():
    with pytest.raises(TypeError, match=r"`module` must be a torch\.nn\.Module, but is a function"):
        torch_score(lambda x: x)
    pair = torch.nn.LSTM(3, 2, batch_first=True)
    with pytest.raises(TypeError, match="must return a tensor of logits, but returned a tuple"):
        torch_score(pair)(np.ones((2, 5, 3)))
