"""A user's own data: images, sentences, tables and clouds of points, from the files they are in.

Whatever is wrong with a file is a ValueError of one line: the file, the line or key, what it must
be, and what it is.
"""

from sim.experiments.data._classes import Samples as Samples
from sim.experiments.data._digest import digest as digest
from sim.experiments.data._images import read_images as read_images
from sim.experiments.data._points import read_points as read_points
from sim.experiments.data._sentences import (
    is_content as is_content,
    read_sentences as read_sentences,
)
from sim.experiments.data._table import Table as Table, read_table as read_table
