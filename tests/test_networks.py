"""The standard networks: against their definition in numpy, cut, padded and differentiated."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.signal import correlate
from scipy.special import expit, softmax

from sim.checks import ArgumentError
from sim.experiments.networks import NETWORKS, build

SHAPES = {
    "mlp": (5,),
    "cnn": (2, 9, 8),
    "vgg": (2, 9, 8),
    "vit": (2, 8, 12),
    "transformer": (7,),
    "gru": (7,),
    "pointnet": (6, 3),
}
SMALL = {"mlp": 8, "cnn": 3, "vgg": 2, "vit": 8, "transformer": 8, "gru": 8, "pointnet": 4}
TEXT = ("transformer", "gru")
DEAR = ("transformer", "vit", "vgg")
NUMBERS = np.random.default_rng(0)


def untrained(name):
    """A small network, with biases that are not zero."""
    stages = build(name, SHAPES[name], 3, vocabulary=9, width=SMALL[name], key=jax.random.key(1))
    return jax.tree.map(
        lambda leaf: jnp.asarray(leaf + np.float32(0.1 * NUMBERS.normal(size=leaf.shape))), stages
    )


UNTRAINED = {name: untrained(name) for name in NETWORKS}


def one_input(name):
    if name in TEXT:
        return np.array([3, 8, 1, 3, 5, 0, 0], np.float32)
    return NUMBERS.normal(size=SHAPES[name]).astype(np.float32)


def leaves(module):
    return [np.asarray(leaf, float) for leaf in jax.tree.leaves(module)]


def relu(x):
    return np.maximum(x, 0)


def convolved(x, weight, bias):
    same = [
        sum(correlate(map_, filter_, "same") for map_, filter_ in zip(x, filters, strict=True))
        for filters in weight
    ]
    return np.array(same) + bias[:, None, None]


def pooled(x):
    _, height, width = x.shape
    places = itertools.product(range(height // 2), range(width // 2))
    blocks = [x[:, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2].max(axis=(1, 2)) for i, j in places]
    return np.array(blocks).T.reshape(len(x), height // 2, width // 2)


def mlp(x, weights):
    pairs = pair(weights)
    for weight, bias in pairs[:-1]:
        x = relu(x @ weight + bias)
    weight, bias = pairs[-1]
    return x @ weight + bias


def pair(weights):
    return list(zip(weights[::2], weights[1::2], strict=True))


def convolutional(x, weights, pools):
    """`pools`: before which layers there is a pooling."""
    for number, (weight, bias) in enumerate(pair(weights)):
        if number in pools:
            x = pooled(x)
        if weight.ndim == 4:
            x = relu(convolved(x, weight, bias))
        else:
            dense = weights[2 * number :]
            return mlp(x.ravel(), dense)
    raise AssertionError


def normalised(x):
    return (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + 1e-5)


def gelu(x):
    """The approximation by tanh."""
    return x * expit(2 * np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))


def encoder(x, weights):
    positions, *blocks, head, bias = weights
    x = x + positions[: len(x)]
    for to_heads, from_heads, up, down in zip(*[iter(blocks)] * 4, strict=True):
        seen = normalised(x)
        for head_number in range(4):
            query, key, value = (seen @ to_heads[kind, head_number] for kind in range(3))
            weight = softmax(query @ key.T / np.sqrt(query.shape[1]), axis=1)
            x = x + weight @ value @ from_heads[head_number]
        x = x + gelu(normalised(x) @ up) @ down
    return normalised(x).mean(0) @ head + bias


def by_hand(name, stages, x):
    weights = leaves(stages)
    x = np.asarray(x, float)
    if name == "mlp":
        return mlp(x, weights)
    if name == "cnn":
        return convolutional(x, weights, (1, 2))
    if name == "vgg":  # 9×8, 4×4, 2×2, 1×1: three blocks of one, one and two convolutions
        return convolutional(x, weights, (1, 2, 4))
    if name == "pointnet":
        for weight, bias in pair(weights[:6]):
            x = relu(x @ weight + bias)
        return mlp(x.max(0), weights[6:])
    if name == "vit":
        rows, columns = range(0, 8, 2), range(0, 12, 2)
        cut = [x[:, i : i + 2, j : j + 2].ravel() for i in rows for j in columns]
        return encoder(np.array(cut) @ weights[0], weights[1:])
    words = weights[0][x[x != 0].astype(int)]
    if name == "transformer":
        return encoder(words, weights[1:])
    of_input, of_state, bias, extra, head, last = weights[1:]
    state = np.zeros(of_state.shape[1])
    for word in words:
        gates, memory = of_input @ word + bias, of_state @ state
        reset, update, new = np.split(gates, 3)
        from_reset, from_update, from_new = np.split(memory, 3)
        reset, update = expit(reset + from_reset), expit(update + from_update)
        new = np.tanh(new + reset * (from_new + extra))
        state = new + update * (state - new)
    return state @ head + last


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_is_what_its_definition_says_and_cut_anywhere_the_same(name):
    stages, x = UNTRAINED[name], one_input(name)
    logits = np.asarray(stages(x))
    np.testing.assert_allclose(logits, by_hand(name, stages, x), rtol=2e-4, atol=2e-5)
    for at in stages.names:
        cut = stages.cut(at)
        middle = cut.front(x)
        assert middle.shape == stages.shape_at(at, SHAPES[name])
        np.testing.assert_array_equal(cut.back(middle), logits)


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow if name in DEAR else ()) for name in NETWORKS],
)
def test_gradients_are_finite_and_reach_every_weight(name):
    x = jnp.stack([one_input(name), one_input(name)])
    loss = eqx.filter_jit(eqx.filter_grad(lambda network: jnp.sum(jax.vmap(network)(x) ** 2)))
    for leaf in leaves(loss(UNTRAINED[name])):
        assert np.isfinite(leaf).all()
        assert np.abs(leaf).max() > 0


@pytest.mark.parametrize("name", ["gru", pytest.param("transformer", marks=pytest.mark.slow)])
def test_padding_does_not_matter_and_a_zero_embedding_is_no_padding(name):
    stages, x = UNTRAINED[name], one_input(name)
    short = stages(x[:5])
    np.testing.assert_allclose(stages(x), short, rtol=1e-5)
    np.testing.assert_array_equal(stages(x.astype(jnp.int32)), stages(x))
    cut = stages.cut("embedding")
    embedded = cut.front(x).at[4].set(0)
    masked = cut.back(embedded)
    assert np.abs(masked - cut.back(cut.front(x[:4]))).max() > 1e-3
    np.testing.assert_allclose(cut.back(embedded[:5]), masked, rtol=1e-5)
    assert np.isfinite(stages(jnp.zeros(7))).all()


def test_the_order_of_points_does_not_matter():
    stages, x = UNTRAINED["pointnet"], one_input("pointnet")
    np.testing.assert_allclose(stages(x[::-1]), stages(x), rtol=1e-6)


def test_sizes_are_those_of_the_networks():
    def shapes(name, shape):
        def activations(key, x):
            stages = build(name, shape, 10, key=key)
            return [stages.cut(at).front(x) for at in stages.names]

        x = jax.ShapeDtypeStruct(shape, jnp.float32)
        return [one.shape for one in jax.eval_shape(activations, jax.random.key(0), x)]

    assert shapes("mlp", (30,)) == [(256,)] * 3
    assert shapes("cnn", (1, 28, 28)) == [(6, 28, 28), (16, 14, 14), (120,), (84,)]
    assert shapes("vgg", (3, 32, 32)) == [
        (8, 32, 32),
        (16, 16, 16),
        *[(32, 8, 8)] * 2,
        *[(64, 4, 4)] * 2,
        *[(64, 2, 2)] * 2,
        *[(64,)] * 2,
    ]


@pytest.mark.parametrize(
    ("name", "shape", "given", "words"),
    [
        ("resnet", (5,), {}, "`name` must be one of"),
        ("vgg", (28, 28), {}, "`shape` must have 3 dimensions"),
        ("vgg", (1, 1, 28), {}, "`shape` must be that of an image of 2×2"),
        ("vit", (1, 29, 29), {}, "`shape` must be that of an image that square patches tile"),
        ("vit", (1, 8, 8), {"width": 6}, "`width` must be a multiple of 4"),
        ("gru", (5,), {"vocabulary": 9, "depth": 2}, "`depth` must be at most 1"),
        ("transformer", (5,), {}, "`vocabulary` must be given"),
        ("mlp", (5,), {"width": 0}, "`width` must"),
    ],
)
def test_what_cannot_be_built_is_told(name, shape, given, words):
    with pytest.raises(ArgumentError, match=words):
        build(name, shape, 3, key=jax.random.key(0), **given)
