"""A network followed while it trains: a look at every checkpoint, and what it says so far."""

from sim.monitor.monitor import (
    Monitor as Monitor,
)
from sim.monitor.report import (
    LookReport as LookReport,
)
