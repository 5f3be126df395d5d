"""Imports only go down: read from the import statements, so that nothing has to be run."""

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "pyapdraw"

# From the top, one line a layer: a module may import what stands below it, and nothing of its own layer or above. A
# package stands for all its modules, unless they have layers of their own; its __init__ stands where its highest does.
LAYERS = [
    {"__main__"},
    {"cli"},
    {"cli.draw"},
    {"cli.batch"},
    {"cli.inputs", "cli.standard"},
    {"cli.codes", "cli.settings"},
    {"about", "evaluate", "look", "bench"},
    {"bench.cases"},
    {"frame_artist"},
    {"artist"},
    {"pipeline"},
    {"style"},
    {"style.registry"},
    {"style.ink"},
    {"style.figure", "style.pen"},
    {"style.base", "style.ink_whole", "style.plan"},
    {"style.wash", "style.beard"},
    {"style.sketch"},
    {"composite"},
    {"faces"},
    {"faces.tracking"},
    {"faces.detector"},
    {"faces.landmarks", "faces.masks"},
    {"faces.mtcnn", "faces.selfie"},
    {"runtime.eager", "runtime.native_engine"},
    {"runtime"},
    {"models"},
    {"align", "runtime.native"},
    {"media"},
    {"media.video", "media.images"},
    {"media.finish"},
    {"media.writer"},
    {"media.reader", "media.tracks", "media.encoders"},
    {"media.colour", "media.sound", "media.gif", "media.hand_over"},
    {"media.photo"},
    {"media.kinds"},
    {"media.camera_raw", "media.quiet"},
    {"ops", "weights"},
    {"files"},
    {"_C", "need", "clock", "table"},
    {"errors", "choices"},
]
# Beside the path from photo to drawing: what each may import. Of the path, the command line alone starts them.
BELOW_MODELS = {"models", "weights", "ops", "align", "files", "need", "errors", "_C"}
BESIDE = {
    "losses": {"losses", *BELOW_MODELS},
    "metrics": {"metrics", "losses", "media", "align", *BELOW_MODELS},
    "data": {"data", "faces", "align", "media", "ops", "errors"},
    "training": {
        "training",
        "losses",
        "metrics",
        "media",
        "files",
        "data",
        "faces",
        "composite",
        "style",
        *BELOW_MODELS,
    },
}
HEAVY = {"torch", "torchvision", "cv2", "scipy", "skimage", "tensorrt", "pycuda", "onnx", "onnxruntime", "openvino"}


def sources():
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        yield path, parts


NAMES = set().union(*LAYERS, BESIDE)


def unit_of(module: str) -> str | None:
    """The longest name of LAYERS or BESIDE that a dotted module (without "pyapdraw.") is, or lies in."""
    pieces = module.split(".")
    return next((name for n in range(len(pieces), 0, -1) if (name := ".".join(pieces[:n])) in NAMES), None)


def dotted(parts) -> str:
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def running_code(tree: ast.AST):
    """All nodes but those of `if TYPE_CHECKING:`, which never runs."""
    pending = [tree]
    while pending:
        node = pending.pop()
        yield node
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            pending += node.orelse
        else:
            pending += ast.iter_child_nodes(node)


def imported_modules(path: Path):
    """(module, line) of every import from pyapdraw, also those inside functions; a name may be that of a module in it.

    Imports are absolute: the linter sees to that.
    """
    for node in running_code(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [a.name for a in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{a.name}" for a in node.names]
        for name in names:
            package, _, module = name.partition(".")
            if package == "pyapdraw" and (module == "_C" or unit_of(module)):
                yield module, node.lineno


def allowed(importer: str, imported: str) -> bool:
    if importer == imported:
        return True
    if importer in BESIDE:
        return imported in BESIDE[importer] or imported.partition(".")[0] in BESIDE[importer]
    if imported in BESIDE:
        return importer.partition(".")[0] in ("cli", "evaluate", "look")
    level = {name: i for i, layer in enumerate(LAYERS) for name in layer}
    return level[importer] < level[imported]


def test_every_module_has_its_place():
    placeless = {dotted(parts) for _, parts in sources() if parts != ("__init__",) and not unit_of(dotted(parts))}
    assert not placeless, f"add to LAYERS or BESIDE: {sorted(placeless)}"


def test_imports_only_go_down():
    upward = []
    for path, parts in sources():
        if parts == ("__init__",):
            continue  # the front door may show anything
        for module, line in imported_modules(path):
            if not allowed(unit_of(dotted(parts)), unit_of(module)):
                upward.append(f"{path.relative_to(PACKAGE.parent)}:{line} imports {module}")
    assert not upward, "\n".join(upward)


def test_the_rules_find_an_upward_arrow():
    for importer, imported in [("cli", "ops"), ("pipeline", "faces"), ("ops", "_C"), ("training", "losses")]:
        assert allowed(importer, imported)
    assert not allowed("ops", "models") and not allowed("faces", "pipeline") and not allowed("models", "training")
    assert not allowed("errors", "ops") and not allowed("media", "faces")


def module_level_imports(tree: ast.Module):
    """Imports that run when the module is imported: those in functions do not."""
    pending = list(tree.body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.Import):
            yield from ((a.name.split(".")[0], node.lineno) for a in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0], node.lineno
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            pending += node.orelse
        elif not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            pending += [n for n in ast.iter_child_nodes(node) if isinstance(n, (ast.stmt, ast.excepthandler))]


# Torch code, which is itself imported at first use; everything else, and every __init__, imports torch in functions.
def may_import_torch(parts) -> bool:
    if parts[-1] in {"__init__", "registry", "apdrawing_live", "apdrawing_small_numbers", "rectangles"}:
        return False
    return parts[0] in {"training", "losses", "metrics", "models"}


def test_heavy_packages_are_imported_at_first_use():
    found = []
    for path, parts in sources():
        heavy = HEAVY - {"torch"} if may_import_torch(parts) else HEAVY
        for name, line in module_level_imports(ast.parse(path.read_text(encoding="utf-8"))):
            if name in heavy:
                found.append(f"{path.relative_to(PACKAGE.parent)}:{line} imports {name}")
    assert not found, "\n".join(found)


def test_torchvision_is_never_imported():
    for path, _ in sources():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not any(n.split(".")[0] == "torchvision" for n in names), path


def test_files_stay_small():
    long = {p.name: n for p, _ in sources() if (n := len(p.read_text(encoding="utf-8").splitlines())) > 500}
    assert not long


def test_functions_stay_small():
    """60 lines beside their docstring, which says as much as it has to."""
    long = {}
    for path, _ in sources():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                said = node.body[0] if ast.get_docstring(node) else None
                words = said.end_lineno - said.lineno + 1 if said else 0
                lines = node.end_lineno - node.lineno + 1 - words
                if lines > 60:
                    long[f"{path.name}: {node.name}"] = lines
    assert not long


def test_public_things_say_what_they_are():
    silent = []
    for path, _ in sources():
        found = [("", ast.parse(path.read_text(encoding="utf-8")))]
        for where, node in found:  # grows by what is found in it
            for inner in node.body if isinstance(node, (ast.Module, ast.ClassDef)) else []:
                if isinstance(inner, (ast.FunctionDef, ast.ClassDef)) and not inner.name.startswith("_"):
                    found.append((f"{where}{inner.name}.", inner))
        silent += [f"{path.name}: {where[:-1]}" for where, node in found if not ast.get_docstring(node)]
    assert not silent


def test_native_files_stay_small():
    root = PACKAGE.parent
    if not (root / "csrc").is_dir():
        pytest.skip("not run from a source tree")
    folders = [root / "csrc", root / "tests" / "native", root / "tests" / "emulated"]
    files = [p for folder in folders for p in folder.rglob("*") if p.suffix in {".h", ".cpp", ".cu", ".cuh"}]
    long = {p.name: n for p in files if (n := len(p.read_text(encoding="utf-8").splitlines())) > 400}
    assert files and not long
