"""Builds pyapdraw._C with CMake; everything else is in pyproject.toml."""

import os
import re
import subprocess
import sys
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).parent


class CMakeBuild(build_ext):
    def build_extension(self, ext: Extension) -> None:
        target = Path(self.get_ext_fullpath(ext.name)).resolve().parent
        # An editable install shares its build folder with `make build`.
        build = (ROOT / "build" / "dev" if self.editable_mode else Path(self.build_temp)).resolve()
        build.mkdir(parents=True, exist_ok=True)
        configure = [
            "cmake", "-S", str(ROOT.resolve()), "-B", str(build), "-G", "Ninja",
            f"-DPython_EXECUTABLE={sys.executable}",
            f"-DPYAPDRAW_CUDA={os.environ.get('PYAPDRAW_CUDA', 'AUTO')}",
            *os.environ.get("CMAKE_ARGS", "").split(),
        ]  # fmt: skip
        subprocess.run(configure, check=True)
        subprocess.run(["cmake", "--build", str(build), "--target", "_C"], check=True)
        subprocess.run(["cmake", "--install", str(build), "--component", "python", "--prefix", str(target)], check=True)


version = re.search(r'PYAPDRAW_VERSION "(.+)"', (ROOT / "csrc/include/pyapdraw/version.h").read_text())
assert version
setup(version=version[1], ext_modules=[Extension("pyapdraw._C", [])], cmdclass={"build_ext": CMakeBuild})
