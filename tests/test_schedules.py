"""Noise schedules: values by hand, gradients, text."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from sim.simulation.schedule_text import parse_schedule
from sim.simulation.schedules import Schedule

EPOCHS = np.array([0.0, 3.0, 10.0, 37.5, 80.0])
FAMILIES = {
    "constant": (Schedule.constant(0.3), lambda e: 0.3 + 0 * e),
    "exponential": (
        Schedule.exponential(10.0, 1e-3, 50),
        lambda e: 10.0 * (1e-4) ** (e / 50),
    ),
    "power_law": (Schedule.power_law(5.0, 2.5, 4.0), lambda e: 5.0 / (1 + e / 4) ** 2.5),
    "logistic": (
        Schedule.logistic(10.0, 1e-2, 30.0, 6.0),
        lambda e: 10.0 * (1e-3) ** (1 / (1 + np.exp(-(e - 30) / 6))),
    ),
    "piecewise": (
        Schedule.piecewise([3, 40], [10.0, 0.5, 0.0]),
        lambda e: np.select([e < 3, e < 40], [10.0, 0.5], 0.0),
    ),
    "table": (
        Schedule.table([5, 20, 60], [4.0, 0.1, 1e-3]),
        lambda e: np.exp(np.interp(e, [5, 20, 60], np.log([4.0, 0.1, 1e-3]))),
    ),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_values(name):
    schedule, formula = FAMILIES[name]
    np.testing.assert_allclose(schedule(EPOCHS), formula(EPOCHS), rtol=1e-12, atol=1e-300)
    np.testing.assert_allclose(jax.jit(schedule)(EPOCHS), schedule(EPOCHS), rtol=1e-12)
    assert schedule(2).shape == ()
    assert schedule(EPOCHS.reshape(1, 5)).shape == (1, 5)


@pytest.mark.parametrize("name", FAMILIES)
def test_text_round_trip(name):
    schedule, _ = FAMILIES[name]
    again = parse_schedule(str(schedule))
    assert again.kind == schedule.kind
    assert again.settings == schedule.settings
    np.testing.assert_allclose(again(EPOCHS), schedule(EPOCHS), rtol=1e-9)
    assert str(again) == str(schedule)


@pytest.mark.parametrize("name", ["exponential", "power_law", "logistic", "table"])
def test_gradients_in_the_parameters(name):
    schedule, _ = FAMILIES[name]
    epoch = 17.0
    slopes = jax.grad(lambda s: jnp.log(s(epoch)))(schedule)
    leaves, tree = jax.tree.flatten(schedule)
    for position, slope in enumerate(jax.tree.leaves(slopes)):
        flat = np.asarray(leaves[position]).ravel()
        for entry in range(flat.size):
            values = []
            for step in (1e-6, -1e-6):
                moved = flat.copy()
                moved[entry] += step
                changed = [*leaves]
                changed[position] = jnp.asarray(moved.reshape(leaves[position].shape))
                values.append(float(jnp.log(jax.tree.unflatten(tree, changed)(epoch))))
            expected = (values[0] - values[1]) / 2e-6
            assert float(np.ravel(slope)[entry]) == pytest.approx(expected, abs=1e-6)


def test_optax_recovers_a_schedule():
    truth = Schedule.exponential(3.0, 1e-4, 60)
    schedule = Schedule.exponential(1.0, 1e-2, 60)
    goal = jnp.log(truth(EPOCHS))

    def loss(candidate):
        return jnp.mean((jnp.log(candidate(EPOCHS)) - goal) ** 2)

    optimiser = optax.adam(0.1)
    state = optimiser.init(schedule)

    @jax.jit
    def step(carry, _):
        schedule, state = carry
        updates, state = optimiser.update(jax.grad(loss)(schedule), state)
        return (optax.apply_updates(schedule, updates), state), None

    (schedule, _), _ = jax.lax.scan(step, (schedule, state), length=800)
    np.testing.assert_allclose(schedule(EPOCHS), truth(EPOCHS), rtol=1e-3)


def test_schedules_can_be_mapped():
    stack = jax.vmap(lambda end: Schedule.exponential(10.0, end, 20))(jnp.array([1e-2, 1e-4]))
    values = jax.vmap(lambda s: s(EPOCHS))(stack)
    np.testing.assert_allclose(values[1], Schedule.exponential(10.0, 1e-4, 20)(EPOCHS), rtol=1e-12)


def test_text():
    assert float(parse_schedule("0.25")(7)) == pytest.approx(0.25)
    run = parse_schedule("exponential:start=10,end=1e-6", epochs=300)
    assert float(run(300)) == pytest.approx(1e-6)
    assert str(parse_schedule("power-law:start=2,exponent=1")).startswith("power_law:start=2,")
    assert float(parse_schedule("piecewise:values=0.5")(9)) == pytest.approx(0.5)


def test_table_from_a_file(tmp_path):
    path = tmp_path / "noise.csv"
    path.write_text("epoch,sigma2\n0,10\n\n50, 0.1\n")
    assert float(parse_schedule(f"table:file={path}")(25)) == pytest.approx(1.0)
    path.write_text("0,10\n5,many\n")
    with pytest.raises(ValueError, match=r"line 2: must hold two numbers, .* '5,many'"):
        parse_schedule(f"table:file={path}")
    with pytest.raises(FileNotFoundError, match="no such file"):
        parse_schedule("table:file=/nowhere.csv")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cosine:start=1", "start with one of constant, exponential"),
        ("", "start with one of"),
        ("exponential:start=10,end=1", "takes start, end, epochs, but the text lacks epochs"),
        ("constant:sigma2=1,end=2", "has no 'end'"),
        ("constant:sigma2", "must have the form name=value"),
        ("constant:sigma2=1,sigma2=2", "given twice"),
        ("constant:sigma2=warm", "'sigma2' must be a number"),
        ("constant:sigma2=1/2", "'sigma2' must be one number"),
        ("constant:sigma2=-1", "`sigma2` must be nonnegative"),
        ("constant:sigma2=nan", "`sigma2` must be finite"),
        ("logistic:start=0,end=1,middle=3,width=2", "`start` must be positive"),
        ("logistic:start=1,end=1,middle=3,width=0", "`width` must be positive"),
        ("piecewise:boundaries=5/3,values=1/2/3", "`boundaries` must be rising"),
        ("piecewise:boundaries=3,values=1/2/3", r"`values` must be of shape \(2,\)"),
        ("table:epochs=1/2,values=1/0", "`values` must be positive"),
        ("exponential:start=1,end=2,epochs=0", "`epochs` must be positive"),
    ],
)
def test_bad_text_is_explained(text, message):
    with pytest.raises(ValueError, match=message):
        parse_schedule(text)
