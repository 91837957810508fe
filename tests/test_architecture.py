"""The rules of the house, checked on the source itself: who imports whom, sizes, and what may not appear."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "csptrain"

#: Part of the package -> rank; a module imports lower ranks and its own part only (docs/architecture.md).
RANKS = {
    "errors": 0,
    "machine": 0,
    "cfg": 1,
    "ops": 2,
    "losses": 3,
    "datasets": 3,
    "layers": 4,
    "net": 5,
    "graph": 6,
    "network": 7,
    "summary": 8,
    "formats": 8,
    "lint": 8,
    "evaluate": 8,
    "train": 9,
    "zoo": 9,
    "cost": 9,
    "bench": 10,
    "report": 10,
    "paper": 11,
    "doctor": 11,
    "project": 11,
    "live": 11,
    "cli": 12,
    "api": 13,
    "__main__": 14,
    "__init__": 14,
}
MOST_LINES = 350
#: What anyone may take from ``csptrain`` itself; all else it exports has a home of its own.
FROM_THE_TOP = {"__version__"}


def modules() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


each_module = pytest.mark.parametrize("path", modules(), ids=name_of)


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def part_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and dotted name of all that a module imports, `from a import b` as ``a.b``."""
    package = path.relative_to(ROOT).parent.parts
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)


def calls(path: Path, *names: str) -> list[ast.Call]:
    """The calls of the functions of these dotted names."""
    nodes = (node for node in ast.walk(tree_of(path)) if isinstance(node, ast.Call))
    return [call for call in nodes if ast.unparse(call.func) in names]


@each_module
def test_imports_point_to_lower_ranks(path: Path) -> None:
    own = part_of(path)
    assert own in RANKS, f"csptrain/{own} has no rank; give it one here and in docs/architecture.md"
    wrong = []
    for line, name in imports(path):
        top, _, rest = name.partition(".")
        other = rest.split(".")[0]
        if top != "csptrain" or other in FROM_THE_TOP or other == own:
            continue
        if other not in RANKS or RANKS[other] >= RANKS[own]:
            wrong.append(f"{name_of(path)}:{line}: {own} ({RANKS[own]}) imports {name} ({RANKS.get(other)})")
    assert wrong == []


@each_module
def test_no_file_is_long_without_a_reason(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    reason = "Long because" in (ast.get_docstring(tree_of(path)) or "")
    assert lines <= MOST_LINES or reason, f"{lines} lines; split it, or say 'Long because' in its docstring"


@each_module
def test_no_drawer_for_odds_and_ends(path: Path) -> None:
    assert not {part.removesuffix(".py") for part in path.relative_to(PACKAGE).parts} & {
        "utils", "util", "common", "helpers", "misc",
    }  # fmt: skip


@each_module
def test_every_folder_is_a_package(path: Path) -> None:
    assert (path.parent / "__init__.py").is_file()


@each_module
def test_all_that_is_public_is_documented(path: Path) -> None:
    tree = tree_of(path)
    silent = [] if ast.get_docstring(tree) else ["the module"]
    for node in tree.body:
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            continue
        overload = any("overload" in ast.unparse(decorator) for decorator in node.decorator_list)
        if not (node.name.startswith("_") or overload or ast.get_docstring(node)):
            silent.append(f"line {node.lineno}: {node.name}")
    assert silent == []


@each_module
def test_no_except_catches_everything(path: Path) -> None:
    blind = {"Exception", "BaseException"}
    wrong = []
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.ExceptHandler):
            kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
            if any(kind is None or ast.unparse(kind) in blind for kind in kinds):
                wrong.append(node.lineno)
    assert wrong == []


@each_module
def test_only_the_command_line_prints(path: Path) -> None:
    assert part_of(path) == "cli" or [call.lineno for call in calls(path, "print")] == []


@each_module
def test_no_text_is_run_as_code(path: Path) -> None:
    runners = ("eval", "exec", "compile", "builtins.eval", "builtins.exec")
    evaluated = [call.lineno for call in calls(path, *runners)]
    pickles = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"}
    unpickled = [line for line, name in imports(path) if name.split(".")[0] in pickles]
    assert (evaluated, unpickled) == ([], [])


@each_module
def test_torch_loads_nothing_but_tensors(path: Path) -> None:
    """Torch's own files are pickles; before torch 2.6 they ran whatever they held unless told not to."""
    unsafe = []
    for call in calls(path, "torch.load"):
        given = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
        if given.get("weights_only") != "True":
            unsafe.append(call.lineno)
    assert unsafe == []


def test_the_tests_mirror_packages() -> None:
    folders = {path.parent for path in (ROOT / "tests").rglob("test_*.py")}
    assert [name_of(folder) for folder in sorted(folders) if not (folder / "__init__.py").is_file()] == []


def tracked_and_package_files() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout  # empty where this is no clone
    tracked = {ROOT / name for name in listed.split("\0") if name}
    return sorted(path for path in tracked | set(modules()) if path.is_file())


def test_nothing_tells_of_the_machine_it_was_made_on() -> None:
    # In pieces, or this file would find itself.
    paths = ["/wo" + "rk/", "/tm" + "p/v", "/ho" + "me/", "/ro" + "ot/", "/opt/wh" + "eels", "/py" + "pi/"]
    registries = ["py" + "pi.org", "python" + "hosted", "registry.np" + "mjs", "deb.deb" + "ian"]
    found = []
    for path in tracked_and_package_files():
        data = path.read_bytes()
        found += [f"{name_of(path)}: {word}" for word in paths + registries if word.encode() in data]
    assert found == []
