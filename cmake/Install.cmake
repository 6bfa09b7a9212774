include(GNUInstallDirs)
# The installed program finds LibTorch where it was at build time.
set_target_properties(echopath PROPERTIES INSTALL_RPATH_USE_LINK_PATH ON)
install(TARGETS echopath RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(DIRECTORY configs DESTINATION ${CMAKE_INSTALL_DATADIR}/echopath)
install(DIRECTORY models DESTINATION ${CMAKE_INSTALL_DATADIR}/echopath)
