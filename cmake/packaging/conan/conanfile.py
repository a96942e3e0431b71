# Conan 2 recipe: `conan create cmake/packaging/conan` from a clone. Header-only; the targets are those of CMake's own package.
import os
import re

from conan import ConanFile
from conan.tools.build import check_min_cppstd
from conan.tools.files import copy, load

required_conan_version = ">=2.0"


class cddrec(ConanFile):
    name = "cddrec"
    description = "Conditional denoising diffusion for sequential recommendation, header-only"
    license = "MIT"
    topics = ("recommendation", "diffusion", "header-only")
    package_type = "header-library"
    settings = "os", "arch", "compiler", "build_type"
    options = {"openmp": [True, False]}
    default_options = {"openmp": True}
    no_copy_source = True

    @property
    def clone(self):
        return os.path.join(self.recipe_folder, "..", "..", "..")

    def set_version(self):
        door = load(self, os.path.join(self.clone, "include", "cddrec", "cddrec.hpp"))
        self.version = re.search(r'#define CDDREC_VERSION "([^"]+)"', door)[1]

    def config_options(self):
        if self.settings.get_safe("compiler") not in ("gcc", "clang"):
            del self.options.openmp

    def export_sources(self):
        copy(self, "*.hpp", os.path.join(self.clone, "include"), os.path.join(self.export_sources_folder, "include"))
        copy(self, "LICENSE", self.clone, self.export_sources_folder)

    def requirements(self):
        self.requires("eigen/[>=3.4.0 <4]")
        self.requires("nlohmann_json/[>=3.9 <4]")
        self.requires("zlib/[>=1.2.11 <2]")

    def validate(self):
        check_min_cppstd(self, 20)

    def package(self):
        copy(self, "*.hpp", os.path.join(self.source_folder, "include"), os.path.join(self.package_folder, "include"))
        copy(self, "LICENSE", self.source_folder, os.path.join(self.package_folder, "licenses"))

    def package_id(self):
        self.info.clear()

    def package_info(self):
        self.cpp_info.bindirs = self.cpp_info.libdirs = []
        core = self.cpp_info.components["core"]
        core.set_property("cmake_target_name", "cddrec::cddrec")
        core.set_property("pkg_config_name", "cddrec")
        core.requires = ["eigen::eigen"]
        if self.options.get_safe("openmp"):
            core.cxxflags = core.exelinkflags = core.sharedlinkflags = ["-fopenmp"]
        files = self.cpp_info.components["io"]
        files.set_property("cmake_target_name", "cddrec::io")
        files.set_property("pkg_config_name", "cddrec-io")
        files.requires = ["core", "nlohmann_json::nlohmann_json", "zlib::zlib"]
        for part in (core, files):
            part.bindirs = part.libdirs = []
