"""Sentences in a CSV file, as words."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from sim.checks import check_whole
from sim.experiments.data._classes import Samples, as_classes
from sim.experiments.data._rows import read_rows

WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
WHOLE = 0.95  # of the sentences that the usual length leaves whole
LONGEST = 64  # words, unless a length is given
START = 40  # letters of a sentence by which it is named

GRAMMAR = (
    "a an the this that these those such each every some any all both either "
    "i me my mine myself you your yours yourself he him his himself she her hers herself it its "
    "itself we us our ours ourselves they them their theirs themselves one "
    "who whom whose which what when where why how there here then "
    "am is are was were be been being i'm you're he's she's it's we're they're i've "
    "you've we've they've i'd you'd he'd she'd we'd they'd i'll you'll he'll she'll it'll we'll "
    "they'll that's there's here's what's who's let's "
    "have has had having do does did doing will would shall should can could may might must "
    "of in on at by for with about against between into through during before after above below to "
    "from up down out off over under upon within onto toward towards per via "
    "and or but if because as until while than so though although whether once again also just"
)
STOP_WORDS = frozenset(GRAMMAR.split())
"""Words of grammar, which are no players. Negations are not among them: they turn a sentence."""


def read_sentences(path: Path, length: int | None = None) -> Samples:
    """Words (m, length) in lower case, empty after a sentence's last.

    An apostrophe inside a word belongs to it.

    Args:
        path: a CSV file with the columns `text` and `label`.
        length: words of a sentence that are kept. None takes what leaves 95 % of the sentences
            whole, and at most 64.

    Raises:
        ValueError: no such file, or a text without a word; names the line.
        FileNotFoundError: nothing is there.
    """
    rows = read_rows(path, ("text", "label"))
    texts = rows.column("text")
    labels, classes = as_classes(rows.column("label"), len(texts), path, "label", rows.lines)
    found = [WORD.findall(text.lower().replace("’", "'")) for text in texts]
    counts = np.array([len(words) for words in found])
    if not counts.all():
        at = int(counts.argmin())
        raise ValueError(
            f"{path}: line {rows.lines[at]}, column 'text' must hold words, but is '{texts[at]}'."
        )
    if length is None:
        length = min(int(np.quantile(counts, WHOLE, method="higher")), LONGEST)
    check_whole(length, "length", 1)
    inputs = np.array([(words + [""] * length)[:length] for words in found])
    titles = tuple(
        f"{classes[label]}: {text[:START]}{'…' if len(text) > START else ''}"
        for label, text in zip(labels, (" ".join(text.split()) for text in texts), strict=True)
    )
    cut = int((counts > length).sum())
    words = (
        f"{len(texts)} sentences, {len(classes)} classes, their first {length} words"
        f"{f' ({cut} have more)' if cut else ''}{rows.note}"
    )
    return Samples(inputs, labels, classes, titles, words)


def is_content(words: np.ndarray) -> np.ndarray:
    """Which words can be players, bool: those that are there and are not stop words.

    Example:
        >>> is_content(np.array(["this", "is", "not", "good", ""])).tolist()
        [False, False, True, True, False]
    """
    return (words != "") & ~np.isin(words, list(STOP_WORDS))
