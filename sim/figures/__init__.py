"""Figures of measurements, fits and simulations: functions that draw and compute nothing."""

from sim.figures.curves import (
    legend_above as legend_above,
    loss_curves as loss_curves,
    loss_gap_curve as loss_gap_curve,
    mean_order_curve as mean_order_curve,
    misfit_curves as misfit_curves,
    noise_curve as noise_curve,
)
from sim.figures.explained import (
    explained_figure as explained_figure,
    interactions as interactions,
    interactions_over_epochs as interactions_over_epochs,
    samples as samples,
)
from sim.figures.generalization import (
    generalization_figure as generalization_figure,
    group_strengths as group_strengths,
    overfitting_curves as overfitting_curves,
    separation_bars as separation_bars,
    signed_bars as signed_bars,
    similarity_map as similarity_map,
    split_bars as split_bars,
)
from sim.figures.measured import (
    FIGURES as FIGURES,
    draw_figure as draw_figure,
    dynamics as dynamics,
    noise_level as noise_level,
    theory_vs_network as theory_vs_network,
    theory_vs_networks as theory_vs_networks,
)
from sim.figures.noise_laws import (
    law_scatter as law_scatter,
    profile_map as profile_map,
)
from sim.figures.orders import (
    order_axis as order_axis,
    order_bars as order_bars,
    paired_order_bars as paired_order_bars,
)
from sim.figures.retention import (
    retention_curves as retention_curves,
    retention_figure as retention_figure,
)
from sim.figures.sampled import (
    sampled_figure as sampled_figure,
)
from sim.figures.schedules import (
    held_out_bars as held_out_bars,
)
from sim.figures.simulated import (
    compare_mean_orders as compare_mean_orders,
    order_curves as order_curves,
    phase_map as phase_map,
    schedule_curve as schedule_curve,
    simulated_mean_order as simulated_mean_order,
    two_phases as two_phases,
)
from sim.figures.style import (
    FORMATS as FORMATS,
    GREY as GREY,
    MEASURED as MEASURED,
    PREDICTED as PREDICTED,
    STYLE as STYLE,
    USUAL as USUAL,
    epoch_axis as epoch_axis,
    figure_bytes as figure_bytes,
    figure_paths as figure_paths,
    save_figure as save_figure,
)
