target_sources(test_train PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/support/clfault.c)
target_link_libraries(test_train PRIVATE ${CMAKE_DL_LIBS} PkgConfig::jansson)
