target_sources(test_device PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/support/clfault.c)
target_link_libraries(test_device PRIVATE ${CMAKE_DL_LIBS})

# A process of its own that builds one program, for the tests in which several share a cache.
add_executable(device_tool_cache device/tool_cache.c)
target_link_libraries(device_tool_cache PRIVATE lbk_device)
add_dependencies(test_device device_tool_cache)
target_compile_definitions(test_device PRIVATE DEVICE_TOOL_CACHE="$<TARGET_FILE:device_tool_cache>")
if(LIMBECK_SANITIZE)
  target_sources(device_tool_cache PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/support/keep_loaded.c)
  set_target_properties(device_tool_cache PROPERTIES ENABLE_EXPORTS ON)
endif()
