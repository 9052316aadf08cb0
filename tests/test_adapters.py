"""Models of scikit-learn, Hugging Face and Keras through their adapters, and by themselves."""

import doctest
import sys
import types

import jax
import numpy as np
import pytest

from sim import (
    huggingface_score,
    keras_score,
    measure_outputs,
    sklearn_score,
    tabular_features,
    tokens,
    torch_score,
)
from sim.measurement import keras_adapter
from sim.measurement.masking import Masking, present_players


@pytest.fixture
def table():
    """Classes 3 and 7, so that a label is a place and not a class."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(80, 3))
    return rows, np.where(rows[:, 0] + rows[:, 1] * rows[:, 2] > 0, 7, 3)


def test_log_odds_of_a_logistic_regression_are_its_decision(table):
    linear = pytest.importorskip("sklearn.linear_model")
    rows, classes = table
    model = linear.LogisticRegression().fit(rows, classes)
    got = measure_outputs(sklearn_score(model), rows[:2], tabular_features(3, 3), [1, 0])
    for sample, sign in enumerate((1, -1)):
        chosen = tabular_features(3, 3).regions.argmax(axis=1)  # players in the order drawn
        masked = np.zeros((8, 3))
        masked[:, chosen] = np.where(present_players(np.arange(8), 3), rows[sample, chosen], 0.0)
        expected = sign * (masked @ model.coef_[0] + model.intercept_[0])
        np.testing.assert_allclose(got[sample], expected, atol=1e-9)


def test_names_of_columns_reach_a_pipeline_that_wants_them(table):
    pd = pytest.importorskip("pandas")
    linear = pytest.importorskip("sklearn.linear_model")
    compose = pytest.importorskip("sklearn.compose")
    pipeline = pytest.importorskip("sklearn.pipeline")
    rows, classes = table
    named = pd.DataFrame(rows, columns=["a", "b", "c"])
    columns = compose.ColumnTransformer([("two", "passthrough", ["c", "a"])])
    model = pipeline.make_pipeline(columns, linear.LogisticRegression()).fit(named, classes)
    got = sklearn_score(model)(rows[:4])
    logs = np.log(model.predict_proba(named[:4]))
    np.testing.assert_allclose(got, logs, atol=1e-12)


def test_a_tree_that_is_certain_needs_a_least_probability(table):
    tree = pytest.importorskip("sklearn.tree")
    rows, classes = table
    model = tree.DecisionTreeClassifier(random_state=0).fit(rows, classes)
    with pytest.raises(ValueError, match=r"`least` must be above 0, such as 1e-6"):
        sklearn_score(model)(rows[:2])
    got = sklearn_score(model, least=0.01)(rows[:9])
    expected = np.where(model.predict_proba(rows[:9]) == 1, 0.0, np.log(0.01))
    np.testing.assert_allclose(got, expected)
    with pytest.raises(ValueError, match="`least` must be at least 0 and below 1, but is 2"):
        sklearn_score(model, least=2)


def test_a_model_of_probabilities_only_does_and_one_of_none_does_not(table):
    only = types.SimpleNamespace(predict_proba=lambda rows: np.full((len(rows), 2), [0.25, 0.75]))
    np.testing.assert_allclose(sklearn_score(only)(table[0][:1]), np.log([[0.25, 0.75]]))
    with pytest.raises(TypeError, match="must have predict_log_proba or predict_proba"):
        sklearn_score(object())


@pytest.fixture(scope="module")
def sentences():
    """Token ids of two sentences, the second padded at its end, and their attention masks."""
    ids = np.array([[2, 7, 12, 9, 31, 3], [2, 8, 40, 3, 0, 0]])
    return {"input_ids": ids, "attention_mask": (ids != 0).astype(np.int64)}


def bert(head="BertForSequenceClassification"):
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    torch.manual_seed(0)
    size = {"hidden_size": 8, "num_attention_heads": 2, "intermediate_size": 16}
    config = transformers.BertConfig(
        vocab_size=50, num_hidden_layers=2, initializer_range=0.5, **size
    )
    return getattr(transformers, head)(config).train()


def alone(model, **given):
    """What a model says by itself, in evaluation mode."""
    torch = pytest.importorskip("torch")
    modes = {part: part.training for part in model.modules()}
    model.eval()
    with torch.no_grad():
        returned = model(**{name: torch.as_tensor(value) for name, value in given.items()})
    for part, mode in modes.items():
        part.training = mode
    return returned.logits.double().numpy()


PLACES = (1, 2)  # words of both sentences


def masked_words(s, shown, mask):
    changed = shown.copy()
    for player, place in enumerate(PLACES):
        if not (s >> player) & 1:
            changed[place] = mask
    return changed


def players(shape, mask):
    regions = np.zeros((2, *shape), dtype=bool)
    for player, place in enumerate(PLACES):
        regions[player, place] = True
    return Masking(regions, mask, shape)


@pytest.mark.slow
def test_bert_is_masked_in_ids_and_in_embeddings_beside_each_sentences_own_attention(sentences):
    model, torch = bert(), pytest.importorskip("torch")
    words = model.get_input_embeddings().weight.detach().numpy()
    ids, attention = sentences["input_ids"], sentences["attention_mask"]
    of_ids, of_words = huggingface_score(model), huggingface_score(model, at="inputs_embeds")
    shown = of_words.inputs({name: torch.tensor(array) for name, array in sentences.items()})
    np.testing.assert_array_equal(shown, words[ids])
    first = measure_outputs(of_ids, of_ids.inputs(sentences), players((6,), 4), [0, 1])
    second = measure_outputs(of_words, shown, players((6, 8), np.zeros(8)), [0, 1])
    for sample, sign in ((0, 1), (1, -1)):
        for s in range(4):
            given = {"attention_mask": attention[[sample]]}
            by_ids = alone(model, input_ids=masked_words(s, ids[sample], 4)[None], **given)
            masked = masked_words(s, words[ids[sample]], 0.0)
            by_words = alone(model, inputs_embeds=masked[None], **given)
            for got, logits in ((first, by_ids[0]), (second, by_words[0])):
                assert got[sample, s] == pytest.approx(sign * (logits[0] - logits[1]), abs=1e-5)
    same = measure_outputs(of_words, shown, players((6, 8), words[4]), [0, 1])
    np.testing.assert_allclose(same, first, atol=1e-5)  # by the mask token either way
    assert np.ptp(first, axis=1).min() > 0.01
    assert np.ptp(second, axis=1).min() > 0.01
    assert model.training
    assert model.bert.encoder.layer[0].attention.self.dropout.training


@pytest.mark.slow
def test_berts_own_layers_can_be_masked(sentences):
    model = bert()
    score = huggingface_score(model, at="bert.encoder.layer.0")
    maps = score.inputs(sentences)
    whole = alone(model, **sentences)
    np.testing.assert_allclose(score(maps), whole, atol=1e-5)
    assert np.abs(score(0 * maps) - whole).min() > 0.01
    around = huggingface_score(model, at="bert.encoder.layer.0.intermediate")
    with pytest.warns(UserWarning, match="passes the layer"):
        around.inputs(sentences)


@pytest.mark.slow
def test_gpt_2_says_how_likely_the_next_token_is(sentences):
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=50, n_embd=8, n_layer=2, n_head=2, n_positions=8, initializer_range=0.5
    )
    model, targets = transformers.GPT2LMHeadModel(config), np.array([11, 49])
    ids, lengths = sentences["input_ids"], (6, 4)
    for at, mask, shape in ((None, 4, (6,)), ("inputs_embeds", np.full(8, 0.1), (6, 8))):
        score = huggingface_score(model, at=at, targets=targets)
        got = measure_outputs(score, score.inputs(sentences), players(shape, mask))
        for sample, length in enumerate(lengths):
            for s in range(4):
                shown = ids[sample, :length]
                if at is None:
                    logits = alone(model, input_ids=masked_words(s, shown, mask)[None])
                else:
                    words = model.get_input_embeddings().weight.detach().numpy()[shown]
                    masked = masked_words(s, words, mask).astype(np.float32)
                    logits = alone(model, inputs_embeds=masked[None])
                p = np.exp(logits[0, -1] - logits[0, -1].max())
                p = (p / p.sum())[targets[sample]]
                assert got[sample, s] == pytest.approx(np.log(p / (1 - p)), abs=1e-4)
    without = huggingface_score(model)
    with pytest.raises(ValueError, match=r"`targets` must be the tokens .* \(2, 6, 50\) at every"):
        without(without.inputs(sentences))
    unknown = huggingface_score(model, targets=[11, 50])
    with pytest.raises(ValueError, match="`targets` must be token ids from 0 to 49, but is 50"):
        unknown(unknown.inputs(sentences))


@pytest.mark.slow
def test_a_model_with_a_decoder_says_how_likely_its_next_token_is(sentences):
    """After what its decoder has been shown, however long the sentence is."""
    torch, transformers = pytest.importorskip("torch"), pytest.importorskip("transformers")
    torch.manual_seed(0)
    size = {"d_model": 8, "d_kv": 4, "d_ff": 16, "num_layers": 1, "num_heads": 2}
    config = transformers.T5Config(vocab_size=50, decoder_start_token_id=0, **size)
    model, targets = transformers.T5ForConditionalGeneration(config), np.array([11, 49])
    begun = {
        "decoder_input_ids": np.array([[0, 5, 9], [0, 7, 1]]),
        "decoder_attention_mask": np.array([[1, 1, 1], [1, 1, 0]]),
    }
    score = huggingface_score(model, targets=targets)
    got = score(score.inputs(sentences | begun))
    logits = alone(model, **sentences, **begun)[[0, 1], [2, 1]]
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p = p[[0, 1], targets] / p.sum(axis=1)
    np.testing.assert_allclose(got, np.log(p / (1 - p)), atol=1e-4)


@pytest.mark.slow
def test_a_masked_language_model_says_how_likely_a_token_is_in_a_place(sentences):
    model, targets, positions = bert("BertForMaskedLM"), np.array([30, 5]), np.array([4, 2])
    given = dict(sentences, input_ids=sentences["input_ids"].copy())
    given["input_ids"][[0, 1], positions] = 4  # the mask token
    players = tokens(6, 1, mask=4, allowed=np.arange(6) == 1)
    score = huggingface_score(model, targets=targets, positions=positions)
    got = measure_outputs(score, score.inputs(given), players)
    for sample, s in np.ndindex(2, 2):
        row = {name: array[[sample]].copy() for name, array in given.items()}
        row["input_ids"][0, 1] = row["input_ids"][0, 1] if s else 4
        logits = alone(model, **row)[0, positions[sample]]
        p = np.exp(logits - logits.max())
        p = p[targets[sample]] / p.sum()
        assert got[sample, s] == pytest.approx(np.log(p / (1 - p)), abs=1e-4)
    assert np.ptp(got, axis=1).min() > 0.01
    with pytest.raises(ValueError, match="`positions` must be the places of the mask token"):
        huggingface_score(model, targets=targets)
    with pytest.raises(ValueError, match="`targets` must be the tokens whose log-odds are read"):
        huggingface_score(model, positions=positions)
    outside = huggingface_score(model, targets=targets, positions=[4, 6])
    with pytest.raises(ValueError, match="`positions` must be places from 0 to 5, but is 6"):
        outside(outside.inputs(given))
    classes = huggingface_score(bert(), targets=targets)
    with pytest.raises(
        ValueError, match=r"`targets` must be left out .* given for logits \(2, 2\)"
    ):
        classes(classes.inputs(given))


@pytest.mark.slow
def test_what_a_hugging_face_score_cannot_be_made_of(sentences):
    bare = huggingface_score(bert("BertModel"))
    with pytest.raises(ValueError, match="must return logits, as one of AutoModelForSequence"):
        bare(bare.inputs(sentences))
    score = huggingface_score(bert())
    with pytest.raises(ValueError, match="`given` must hold 'input_ids', but holds attention_mask"):
        score.inputs({"attention_mask": sentences["attention_mask"]})
    with pytest.raises(ValueError, match=r"'input_ids' \(2, 6\), 'attention_mask' \(1, 6\)"):
        score.inputs(sentences | {"attention_mask": np.ones((1, 6))})
    with pytest.raises(ValueError, match="`input_ids` must"):
        score.inputs({"input_ids": [[2, 7, 3], [2, 3]]})
    with pytest.raises(TypeError, match=r"returned a SequenceC.*; .* use sim\.huggingface_score"):
        torch_score(bert())(sentences["input_ids"])
    with pytest.raises(ValueError, match=r"such as bert.encoder.layer.0, .* is 'bert.layer.0'"):
        huggingface_score(bert(), at="bert.layer.0")
    with pytest.raises(TypeError, match=r"must be a torch\.nn\.Module"):
        huggingface_score(len)


@pytest.fixture
def keras(monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    package = pytest.importorskip("keras")
    if package.backend.backend() != "jax":
        pytest.skip("Keras runs on another backend in this process")
    package.utils.set_random_seed(0)
    with jax.numpy_rank_promotion("allow"):  # Keras relies on it
        yield package


@pytest.mark.slow
def test_keras_layers_go_on_from_masked_outputs(keras):
    entry = keras.Input((3,))
    hidden = keras.layers.Dense(4, "tanh", name="hidden")(entry)
    dropped = keras.layers.Dropout(0.5)(hidden)
    model = keras.Model(entry, keras.layers.Dense(2, name="head")(dropped))
    rows = np.random.default_rng(0).normal(size=(2, 3)).astype(np.float32)
    weights = (model.get_layer(name).weights for name in ("hidden", "head"))
    (w, b), (u, c) = ([np.asarray(one.value) for one in pair] for pair in weights)
    score, maps = keras_score(model, at="hidden"), np.tanh(rows @ w + b)
    np.testing.assert_allclose(score.inputs(rows), maps, atol=1e-5)
    got = measure_outputs(score, score.inputs(rows), tabular_features(4, [0, (1, 3)]), [1, 0])
    for sample, sign in ((0, 1), (1, -1)):
        for s in range(4):
            shown = maps[sample] * [s & 1, s >> 1, 1, s >> 1]
            logits = shown @ u + c
            assert got[sample, s] == pytest.approx(sign * (logits[1] - logits[0]), abs=1e-5)
    np.testing.assert_allclose(keras_score(model)(rows), maps @ u + c, atol=1e-5)
    model.get_layer("head").set_weights([u, c + 1])
    np.testing.assert_allclose(score(maps), maps @ u + c + 1, atol=1e-5)


@pytest.mark.slow
def test_a_skip_connection_in_keras_keeps_leading_each_sample_itself(keras):
    entry = keras.Input((3,))
    hidden = keras.layers.Dense(3, name="hidden")(entry)
    model = keras.Model(entry, keras.layers.Add()([entry, hidden]))
    rows = np.random.default_rng(0).normal(size=(2, 3)).astype(np.float32)
    score = keras_score(model, at="hidden")
    with pytest.warns(UserWarning, match="passes the layer 'hidden' by"):
        maps = score.inputs(rows)
    got = score.of_sample(1, 2)(np.stack([maps[1], 0 * maps[1]]))
    np.testing.assert_allclose(got, [rows[1] + maps[1], rows[1]], atol=1e-6)
    with pytest.raises(ValueError, match=r"`at` must name a layer of the model, such as .*hidden"):
        keras_score(model, at="hiden")


@pytest.mark.slow
def test_layers_in_models_inside_a_keras_model_can_be_masked(keras):
    """In one that is subclassed too, which has no graph to be cut."""

    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            first = keras.layers.Dense(4, "tanh", name="first")
            self.inner = keras.Sequential([first, keras.layers.Dense(3, name="last")], name="inner")
            self.head = keras.layers.Dense(2, name="head")

        def call(self, x):
            return self.head(self.inner(x))

    rows, model = np.random.default_rng(0).normal(size=(2, 3)).astype(np.float32), Own()
    model(rows)
    entry = keras.Input((3,))
    for outer in (model, keras.Model(entry, model.head(model.inner(entry)))):
        score = keras_score(outer, at="inner/first")
        maps = score.inputs(rows)
        layers = (*model.inner.layers, model.head)
        (w, b), (u, c), (v, d) = ([np.asarray(x.value) for x in one.weights] for one in layers)
        np.testing.assert_allclose(maps, np.tanh(rows @ w + b), atol=1e-5)
        np.testing.assert_allclose(score(maps / 2), ((maps / 2) @ u + c) @ v + d, atol=1e-5)
        np.testing.assert_allclose(keras_score(outer)(rows), score(maps), atol=1e-5)
        assert "call" not in vars(model.inner.layers[0])
        with pytest.raises(ValueError, match=r"such as inner/first, .*, but is 'first'"):
            keras_score(outer, at="first")
        with pytest.raises(
            ValueError, match=r"outputs of the layer .*\(2, 4\) .* but has shape \(2, 3"
        ):
            score(maps[:, :3])


@pytest.mark.slow
def test_which_layers_of_keras_cannot_be_masked(keras):
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.twice, self.never = (keras.layers.Dense(3, name=n) for n in ("twice", "never"))
            self.never.build((None, 3))
            self.pair = keras.layers.LSTM(3, return_state=True, name="pair")

        def call(self, x):
            return self.pair(self.twice(self.twice(x))[:, None])[0]

    model, rows = Own(), np.ones((2, 3), np.float32)
    for name, runs in (("twice", 2), ("never", 0)):
        with pytest.raises(ValueError, match=f"once in a pass, but '{name}' runs {runs} times"):
            keras_score(model, at=name).inputs(rows)
    pair = keras_score(model, at="pair")
    np.testing.assert_allclose(2 * pair(pair.inputs(rows)), pair(2 * pair.inputs(rows)), atol=1e-6)
    with pytest.raises(TypeError, match=r"must be a keras\.Model, but is a builtin_function"):
        keras_score(len)


@pytest.mark.slow
def test_the_example_for_keras(keras):
    assert doctest.testmod(keras_adapter).failed == 0


def test_a_package_that_is_missing_is_named(monkeypatch):
    for name in ("torch", "keras"):
        monkeypatch.setitem(sys.modules, name, None)
    for adapter, package in ((huggingface_score, "torch"), (keras_score, "keras")):
        with pytest.raises(ImportError, match=f"needs the package '{package}'; pip install"):
            adapter(None)
