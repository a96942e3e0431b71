# How our own examples, tests and benchmarks are compiled; nothing here reaches a user of the library.
option(CDDREC_WERROR "Treat warnings as errors in our own targets" OFF)

add_library(cddrec_development INTERFACE)
target_compile_options(cddrec_development INTERFACE -Wall -Wextra -Wpedantic -Wconversion
  $<$<BOOL:${CDDREC_WERROR}>:-Werror> $<$<BOOL:${CDDREC_NATIVE}>:-march=native>)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # 256-bit vectors are GCC's default on x86 processors that have 512-bit ones; our kernels ask for the width themselves.
  include(CheckCXXCompilerFlag)
  check_cxx_compiler_flag(-mprefer-vector-width=512 CDDREC_HAS_VECTOR_WIDTH)
  if(CDDREC_HAS_VECTOR_WIDTH)
    target_compile_options(cddrec_development INTERFACE $<$<BOOL:${CDDREC_NATIVE}>:-mprefer-vector-width=512>)
  endif()
  # GCC 12 sees uninitialised operands in its own AVX-512 intrinsics (GCC bug 105593), which Eigen inlines into us.
  # It also sees overlapping copies in its own std::string (GCC bug 105651).
  target_compile_options(cddrec_development INTERFACE -Wno-uninitialized -Wno-maybe-uninitialized -Wno-restrict)
endif()

# The pages of the headers, in build/docs of the clone.
find_program(CDDREC_DOXYGEN doxygen)
if(CDDREC_DOXYGEN)
  add_custom_target(docs
    COMMAND "${CMAKE_COMMAND}" -E make_directory build
    COMMAND "${CDDREC_DOXYGEN}" docs/Doxyfile
    WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}" VERBATIM)
endif()
