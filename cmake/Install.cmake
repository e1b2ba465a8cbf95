# What `cmake --install` gives: headers, the shared library, the two programs and the CMake package.
include(CMakePackageConfigHelpers)

set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/holdfast)

# The programs find libraries outside the system's folders, such as a site's HDF5, where the build found them.
file(RELATIVE_PATH programs_to_libraries /${CMAKE_INSTALL_BINDIR} /${CMAKE_INSTALL_LIBDIR})
set_target_properties(holdfast PROPERTIES INSTALL_RPATH "\$ORIGIN" INSTALL_RPATH_USE_LINK_PATH ON)
set_target_properties(holdfast-cli holdfast-helper PROPERTIES INSTALL_RPATH "\$ORIGIN/${programs_to_libraries}" INSTALL_RPATH_USE_LINK_PATH ON)

install(TARGETS holdfast EXPORT holdfast-targets)
install(TARGETS holdfast-cli holdfast-helper)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/holdfast TYPE INCLUDE)
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE TYPE DOC)

install(EXPORT holdfast-targets NAMESPACE holdfast:: DESTINATION ${package_folder})
configure_package_config_file(${PROJECT_SOURCE_DIR}/cmake/holdfast-config.cmake.in ${PROJECT_BINARY_DIR}/holdfast-config.cmake
                              INSTALL_DESTINATION ${package_folder})
# Before 1.0 a minor version may break what the one before offered.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/holdfast-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/holdfast-config.cmake ${PROJECT_BINARY_DIR}/holdfast-config-version.cmake DESTINATION ${package_folder})
