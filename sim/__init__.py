"""Simulating, measuring and fitting the interactions of networks while they train.

Data flows one way: a network is scored on masked inputs (`measure_outputs`, `Measurement`), its
AND–OR interactions are extracted with a certificate (`extract_interactions`, `Extraction`), the
theory is fitted to their distribution over orders (`fit_noise`, `NoiseFit`) and the two phases are
found (`find_phases`, `Phases`). Around these fits stand the noise laws (`profile_noise`,
`observe_noise`), schedules and whole trajectories (`fit_schedules`, `fit_trajectory`), what
generalizes (`generalizable_strength`, `overfitting_level`, `interaction_groups`,
`similarity_by_order`, `separate`) and a page for readers (`write_report`). `simulate` runs the same
process from the theory's side.

Public, beside the names here, are the faces of two rooms: `sim.experiments` (networks that train)
and `sim.figures` (functions that draw fits and simulations).

64-bit numbers are wanted throughout: set `jax.config.update("jax_enable_x64", True)` first, as the
command line does.
"""

import importlib
import importlib.util
import typing

if typing.TYPE_CHECKING:
    from sim.dilution import (
        Retention as Retention,
        retention as retention,
    )
    from sim.document import fit_document as fit_document
    from sim.explanation import (
        TopInteraction as TopInteraction,
        top_interactions as top_interactions,
    )
    from sim.export import (
        to_shapiq as to_shapiq,
        write_strengths as write_strengths,
    )
    from sim.extraction import (
        Extraction as Extraction,
        Interactions as Interactions,
        SampledExtraction as SampledExtraction,
        SampledInteractions as SampledInteractions,
        SplitUncertainty as SplitUncertainty,
        extract_interactions as extract_interactions,
        extract_sampled as extract_sampled,
        load_interactions as load_interactions,
        split_uncertainty as split_uncertainty,
    )
    from sim.fitting import (
        NoiseFit as NoiseFit,
        NoiseLaw as NoiseLaw,
        NoiseProfile as NoiseProfile,
        ScheduleFit as ScheduleFit,
        SparseNoiseFit as SparseNoiseFit,
        TrajectoryFit as TrajectoryFit,
        fit_noise as fit_noise,
        fit_schedules as fit_schedules,
        fit_sparse_noise as fit_sparse_noise,
        fit_trajectory as fit_trajectory,
        neighbour_residuals as neighbour_residuals,
        observe_noise as observe_noise,
        perturb as perturb,
        profile_noise as profile_noise,
    )
    from sim.generalization import (
        Comparison as Comparison,
        Generalizable as Generalizable,
        InteractionGroups as InteractionGroups,
        OverfittingLevel as OverfittingLevel,
        compare_interactions as compare_interactions,
        generalizable_strength as generalizable_strength,
        interaction_groups as interaction_groups,
        overfitting_level as overfitting_level,
        similarity_by_order as similarity_by_order,
    )
    from sim.measurement import (
        Masking as Masking,
        Measurement as Measurement,
        huggingface_score as huggingface_score,
        image_patches as image_patches,
        keras_score as keras_score,
        mean_baseline as mean_baseline,
        measure_outputs as measure_outputs,
        near_dummies as near_dummies,
        player_effects as player_effects,
        point_clusters as point_clusters,
        sample_masks as sample_masks,
        sklearn_score as sklearn_score,
        tabular_features as tabular_features,
        tokens as tokens,
        tokens_by_length as tokens_by_length,
        torch_score as torch_score,
    )
    from sim.monitor import (
        LookReport as LookReport,
        Monitor as Monitor,
    )
    from sim.phases import (
        Phases as Phases,
        find_phases as find_phases,
    )
    from sim.report import write_report as write_report
    from sim.separation import (
        Separation as Separation,
        separate as separate,
    )
    from sim.simulation import (
        Descent as Descent,
        Schedule as Schedule,
        Trajectory as Trajectory,
        keep_salient as keep_salient,
        parse_schedule as parse_schedule,
        random_start as random_start,
        sets_mesh as sets_mesh,
        shard_sets as shard_sets,
        simulate as simulate,
        sparse_target as sparse_target,
    )
    from sim.strength import pooled_strength as pooled_strength

_NAMES = {
    "dilution": "Retention retention",
    "document": "fit_document",
    "explanation": "TopInteraction top_interactions",
    "export": "to_shapiq write_strengths",
    "extraction": (
        "Extraction Interactions SampledExtraction SampledInteractions SplitUncertainty "
        "extract_interactions extract_sampled load_interactions split_uncertainty"
    ),
    "fitting": (
        "NoiseFit NoiseLaw NoiseProfile ScheduleFit SparseNoiseFit TrajectoryFit fit_noise "
        "fit_schedules fit_sparse_noise fit_trajectory neighbour_residuals observe_noise perturb "
        "profile_noise"
    ),
    "generalization": (
        "Comparison Generalizable InteractionGroups OverfittingLevel compare_interactions "
        "generalizable_strength interaction_groups overfitting_level similarity_by_order"
    ),
    "measurement": (
        "Masking Measurement huggingface_score image_patches keras_score mean_baseline "
        "measure_outputs near_dummies player_effects point_clusters sample_masks sklearn_score "
        "tabular_features tokens tokens_by_length torch_score"
    ),
    "monitor": "LookReport Monitor",
    "phases": "Phases find_phases",
    "report": "write_report",
    "separation": "Separation separate",
    "simulation": (
        "Descent Schedule Trajectory keep_salient parse_schedule random_start sets_mesh "
        "shard_sets simulate sparse_target"
    ),
    "strength": "pooled_strength",
}
"""Public names by the room that they come from, as the imports above have them."""

_ROOMS = {name: room for room, names in _NAMES.items() for name in names.split()}

__all__ = sorted(_ROOMS)


def __getattr__(name: str) -> typing.Any:
    """Imports a public name, or a room, when it is first asked for.

    The command line answers --help without waiting for JAX.
    """
    if name in _ROOMS:
        value = getattr(importlib.import_module(f"sim.{_ROOMS[name]}"), name)
    elif not name.startswith("_") and importlib.util.find_spec(f"sim.{name}"):
        value = importlib.import_module(f"sim.{name}")
    else:
        raise AttributeError(f"module 'sim' has no attribute '{name}'")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(globals().keys() | _ROOMS.keys())
