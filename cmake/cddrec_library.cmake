# The targets people link: cddrec::cddrec (Eigen, and OpenMP when found), cddrec::io (files, and what serves from them, beside JSON and zlib)
# and cddrec::hnsw (retrieval from large catalogues, beside hnswlib).
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

find_package(Eigen3 3.4 REQUIRED NO_MODULE)
set(with_openmp FALSE) # whoever found OpenMP before, we or the project around us
if(CDDREC_OPENMP)
  find_package(OpenMP COMPONENTS CXX)
  set(with_openmp "${OpenMP_CXX_FOUND}")
endif()
find_package(nlohmann_json 3.9 QUIET)
find_package(ZLIB QUIET)
list(PREPEND CMAKE_MODULE_PATH "${CMAKE_CURRENT_LIST_DIR}") # Findhnswlib
find_package(hnswlib QUIET)

file(GLOB_RECURSE headers CONFIGURE_DEPENDS RELATIVE "${PROJECT_SOURCE_DIR}" "${PROJECT_SOURCE_DIR}/include/cddrec/*.hpp")
set(io_headers ${headers})
set(with_files "^include/cddrec/(io/|serve/|serve.hpp)") # what reads or writes files
list(FILTER io_headers INCLUDE REGEX ${with_files})
list(FILTER headers EXCLUDE REGEX ${with_files})
set(hnsw_headers include/cddrec/serve/hnsw.hpp) # what needs hnswlib
list(REMOVE_ITEM io_headers ${hnsw_headers})

add_library(cddrec INTERFACE)
add_library(cddrec::cddrec ALIAS cddrec)
target_compile_features(cddrec INTERFACE cxx_std_20)
target_sources(cddrec INTERFACE FILE_SET HEADERS BASE_DIRS "${PROJECT_SOURCE_DIR}/include" FILES ${headers})
target_link_libraries(cddrec INTERFACE Eigen3::Eigen)
if(with_openmp)
  target_link_libraries(cddrec INTERFACE OpenMP::OpenMP_CXX)
endif()
set_target_properties(cddrec PROPERTIES VERIFY_INTERFACE_HEADER_SETS ${PROJECT_IS_TOP_LEVEL})
set(installed_targets cddrec)

if(nlohmann_json_FOUND AND ZLIB_FOUND)
  add_library(cddrec_io INTERFACE)
  add_library(cddrec::io ALIAS cddrec_io)
  set_target_properties(cddrec_io PROPERTIES EXPORT_NAME io VERIFY_INTERFACE_HEADER_SETS ${PROJECT_IS_TOP_LEVEL})
  target_sources(cddrec_io INTERFACE FILE_SET HEADERS BASE_DIRS "${PROJECT_SOURCE_DIR}/include" FILES ${io_headers})
  target_link_libraries(cddrec_io INTERFACE cddrec nlohmann_json::nlohmann_json ZLIB::ZLIB)
  list(APPEND installed_targets cddrec_io)
endif()

if(TARGET cddrec_io AND hnswlib_FOUND)
  add_library(cddrec_hnsw INTERFACE)
  add_library(cddrec::hnsw ALIAS cddrec_hnsw)
  set_target_properties(cddrec_hnsw PROPERTIES EXPORT_NAME hnsw VERIFY_INTERFACE_HEADER_SETS ${PROJECT_IS_TOP_LEVEL})
  target_sources(cddrec_hnsw INTERFACE FILE_SET HEADERS BASE_DIRS "${PROJECT_SOURCE_DIR}/include" FILES ${hnsw_headers})
  target_link_libraries(cddrec_hnsw INTERFACE cddrec_io hnswlib::hnswlib)
  # Until 0.7 hnswlib's choice of a vector unit is functions that are not inline: two translation units would not link.
  target_compile_definitions(cddrec_hnsw INTERFACE NO_MANUAL_VECTORIZATION)
  list(APPEND installed_targets cddrec_hnsw)
endif()

if(CDDREC_INSTALL)
  install(TARGETS ${installed_targets} EXPORT cddrec_targets FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
  install(EXPORT cddrec_targets NAMESPACE cddrec:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/cddrec FILE cddrec_targets.cmake)
  configure_package_config_file(cmake/cddrecConfig.cmake.in cddrecConfig.cmake
    INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/cddrec)
  write_basic_package_version_file(cddrecConfigVersion.cmake COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
  install(FILES "${PROJECT_BINARY_DIR}/cddrecConfig.cmake" "${PROJECT_BINARY_DIR}/cddrecConfigVersion.cmake"
    DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/cddrec)
  if(TARGET cddrec_hnsw)
    install(FILES cmake/Findhnswlib.cmake DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/cddrec)
  endif()

  # pkg-config: in share/, two folders below the prefix, so that the files find it wherever it is moved.
  cmake_path(APPEND pc_includedir "\${prefix}" "${CMAKE_INSTALL_INCLUDEDIR}")
  set(pc_openmp "")
  if(with_openmp)
    set(pc_openmp "${OpenMP_CXX_FLAGS}")
    if(pc_openmp MATCHES "^-fopenmp")
      set(pc_openmp -fopenmp) # as both g++ and clang++ know it
    endif()
  endif()
  configure_file(cmake/cddrec.pc.in cddrec.pc @ONLY)
  install(FILES "${PROJECT_BINARY_DIR}/cddrec.pc" DESTINATION share/pkgconfig)
  if(TARGET cddrec_io)
    configure_file(cmake/cddrec-io.pc.in cddrec-io.pc @ONLY)
    install(FILES "${PROJECT_BINARY_DIR}/cddrec-io.pc" DESTINATION share/pkgconfig)
  endif()
  if(TARGET cddrec_hnsw)
    configure_file(cmake/cddrec-hnsw.pc.in cddrec-hnsw.pc @ONLY)
    install(FILES "${PROJECT_BINARY_DIR}/cddrec-hnsw.pc" DESTINATION share/pkgconfig)
  endif()
endif()
