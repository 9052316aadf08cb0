"""What every figure shares: the style sheet, and what colours mean (Okabe and Ito's palette)."""

STYLE = "sim.interdyn"

MEASURED = "#0072B2"  # measured or simulated
PREDICTED = "#D55E00"  # predicted by the theory
GREY = "#666666"  # marks and guides
