"""The names that others may rely on, and how they are called. A change here is a change of the public contract."""

import importlib
import inspect
import subprocess
import sys

import pytest
from cases_valid_calls import VALID

# module -> name -> signature as text; add a line when something becomes public.
PUBLIC = {
    "pyapdraw": {
        "draw": "(image, style='ink', **options)",
        "draw_video": "(source, target, style='ink', **options)",
        "Artist": "(style='ink', device='auto', runtime='auto', **options)",
        "styles": "()",
        "info": "()",
    },
    "pyapdraw.ops": {"on_stream": "(stream)", **{op: row.signature for op, row in VALID.items()}},
    "pyapdraw.models": {"create": "(name, **config)", "load": "(path_or_name, *, system=None, part=None, **config)"},
    "pyapdraw.weights": {
        "average": "(paths)",
        "export_checkpoint": "(weights, path, *, overwrite=False, epoch='latest')",
        "find": None,
        "import_checkpoint": "(path, system, *, part=None)",
        "read": "(path)",
        "read_checkpoint": "(path, system=None, *, part=None)",
        "write": "(path, weights, *, overwrite=False)",
    },
    "pyapdraw.faces": {
        "Detector": None,
        "Face": None,
        "mesh": "(rgb, face)",
        "parts": "(rgb, face)",
        "person_mask": None,
        "points68": "(rgb, face)",
    },
    "pyapdraw.metrics": {
        "boundary_f": None,
        "chamfer_distance": "(drawing, reference)",
        "fid": "(pictures, references, features)",
        "frechet_distance": "(a, b)",
        "grey_share": "(drawing)",
        "ink_boundary": "(drawing)",
        "specks": None,
        "ssim": "(a, b)",
        "tone_difference": None,
    },
    "pyapdraw.losses.apdrawing": {
        "adversarial_discriminator": "(fake, real)",
        "adversarial_generator": "(fake, local_weight=0.25)",
        "distance_transform": "(drawing, target, *, target_lines=None, drawing_lines=None, reach_px=None)",
        "distance_transform_official": "(drawing, target, auxiliary, target_maps=None, *, remap=None, seeds=None)",
        "distance_transform_paper": "(drawing, target, *, target_lines=None, drawing_lines=None, reach_px=None)",
        "generator_losses": "(drawings, logits, target, centres, mask, chamfer, weights=None)",
        "local_transfer": "(drawings, targets)",
        "pixelwise": "(drawing, target)",
    },
    "pyapdraw.losses.apdrawing2": {
        "generator_losses": "(drawings, logits, target, targets, chamfer, continuity, weights=None)",
        "line_continuity": "(drawing, regressor, offset=(0, 0), face_mask=None)",
        "local_targets": "(target, centres, mask, border='soft')",
        "remap": "(distance, kind='exp', steepness=10.0)",
    },
    "pyapdraw.need": {"need": "(package, *, extra, why)"},
    "pyapdraw.errors": dict.fromkeys(
        ["Error", "BadInput", "Unsupported", "DeviceError", "WeightsError", "OutputError"]
    ),
}
# Modules whose __all__ must list exactly what PUBLIC lists.
COMPLETE = ["pyapdraw.metrics", "pyapdraw.ops"]


def signature_text(function) -> str:
    parameters = inspect.signature(function).parameters.values()
    return str(inspect.Signature([p.replace(annotation=inspect.Parameter.empty) for p in parameters]))


@pytest.mark.parametrize(("module", "name"), [(m, n) for m in PUBLIC for n in PUBLIC[m]])
def test_public_name_is_there_with_its_signature_and_docstring(module, name):
    thing = getattr(importlib.import_module(module), name)
    assert callable(thing), f"{module}.{name} is {type(thing).__name__}"
    assert thing.__doc__ and len(thing.__doc__) > 20
    if PUBLIC[module][name] is not None:
        assert signature_text(thing) == PUBLIC[module][name]


@pytest.mark.parametrize("module", COMPLETE)
def test_nothing_else_is_public(module):
    assert set(importlib.import_module(module).__all__) == set(PUBLIC[module])


def test_a_submodule_import_does_not_hide_the_operation():
    code = (
        "import pyapdraw.ops.fuse_regions, pyapdraw.ops.distance_transform, pyapdraw.ops as ops; "
        "assert callable(ops.fuse_regions) and callable(ops.distance_transform)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_losses_and_metrics_are_reached_from_the_package_alone():
    pytest.importorskip("torch", reason="the losses are torch functions")
    code = (
        "import sys, pyapdraw, pyapdraw.evaluate; metrics = pyapdraw.metrics; assert 'torch' not in sys.modules; "
        "assert all(callable(getattr(metrics, name)) for name in metrics.__all__); losses = pyapdraw.losses; "
        "assert set(losses.__all__) <= set(dir(losses)) and 'torch' not in sys.modules; "
        "losses.apdrawing.distance_transform, losses.apdrawing2.remap, losses.figures.boundary"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_what_needs_torch_says_so_without_it(tmp_path):
    code = (
        "import sys; sys.modules['torch'] = None; import pyapdraw; from pyapdraw.cli import main\n"
        "for reach in (lambda: pyapdraw.losses.apdrawing, lambda: pyapdraw.models.create('apdrawing')):\n"
        "    try: reach()\n"
        "    except pyapdraw.Unsupported as error: assert 'pip install' in str(error)\n"
        "    else: raise AssertionError\n"
        "sys.exit(main(['train', 'apdrawing', '--data', '.', '--out', 'out']))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 3, done.stderr
    assert "a training needs the package 'torch'" in done.stderr and done.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_ops_import_without_heavy_packages():
    code = (
        "import sys, pyapdraw.ops; bad = {'torch', 'scipy', 'cv2', 'av', 'PIL'} & set(sys.modules); assert not bad, bad"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_error_family():
    errors = importlib.import_module("pyapdraw.errors")
    for name in PUBLIC["pyapdraw.errors"]:
        assert issubclass(getattr(errors, name), errors.Error)
    assert issubclass(errors.BadInput, ValueError)


def test_need_says_what_to_install():
    from pyapdraw.errors import Unsupported
    from pyapdraw.need import need

    assert need("json", extra="train", why="reading") is importlib.import_module("json")
    with pytest.raises(
        Unsupported, match=r"training needs the package 'no_such_package'.*pip install 'pyapdraw\[train\]'"
    ):
        need("no_such_package", extra="train", why="training")


def test_the_examples_of_the_operations():
    import doctest
    import pkgutil

    import pyapdraw.ops

    modules = [importlib.import_module(f"pyapdraw.ops.{m.name}") for m in pkgutil.iter_modules(pyapdraw.ops.__path__)]
    results = {module.__name__: doctest.testmod(module) for module in modules}
    assert sum(result.attempted for result in results.values()) > 25
    assert [name for name, result in results.items() if result.failed] == []
