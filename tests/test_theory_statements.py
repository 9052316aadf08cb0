"""The table of the papers' statements names what exists."""

import ast
import pathlib
import re

import theory

ROOT = pathlib.Path(__file__).parent.parent
TABLE = ROOT / "theory" / "README.md"


def rows():
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        if line.startswith("|") and not re.match(r"\|[-|]+$|\| Statement", line):
            yield [cell.strip() for cell in line.strip("|").split("|")]


def test_every_statement_names_public_functions_and_existing_tests():
    defined = set()
    for path in (ROOT / "tests").glob("test_*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        defined |= {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    count = 0
    for row in rows():
        here, shown = row[2 if len(row) == 5 else 1], row[-1]
        names = re.findall(r"`(\w+)`", here)
        assert names, row
        assert all(hasattr(theory, name) for name in names), row
        tests = re.findall(r"`(\w+)`", shown)
        assert tests, row
        assert set(tests) <= defined, set(tests) - defined
        count += 1
    assert count > 15


def test_every_numbered_statement_is_there():
    statements = " ".join(row[0] for row in rows())
    for name in ["Theorem 2", "Theorem 3", "Theorem 4", "Theorem 5"]:
        assert name in statements
    for name in ["Lemma 1", "Lemma 2", "Proposition 1", "Assumption 1", "Eq. 1", "Eq. 10"]:
        assert name in statements
