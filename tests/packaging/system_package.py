# A system package under the name that Conan Center gives it, so that our recipe can be tried offline: conan export --name NAME --version V
import os

from conan import ConanFile


class system_package(ConanFile):
    package_type = "header-library"

    def package_info(self):
        file, target = {"eigen": ("Eigen3", "Eigen3::Eigen"), "zlib": ("ZLIB", "ZLIB::ZLIB")}.get(
            self.name, (self.name, f"{self.name}::{self.name}"))
        self.cpp_info.set_property("cmake_file_name", file)
        self.cpp_info.set_property("cmake_target_name", target)
        self.cpp_info.includedirs = [os.environ["EIGEN_INCLUDE"]] if self.name == "eigen" else []
        self.cpp_info.bindirs = self.cpp_info.libdirs = []
        self.cpp_info.system_libs = ["z"] if self.name == "zlib" else []
