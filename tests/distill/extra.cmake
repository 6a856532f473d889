# Whole networks and experiments, as tests/train has them.
target_sources(test_distill PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/train/helpers/little_run.c)
target_link_libraries(test_distill PRIVATE lbk_train PkgConfig::jansson)

# The methods against PyTorch, where it is there.
add_executable(tool_method distill/tool_method.c distill/helpers/rig.c)
target_include_directories(tool_method PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
target_compile_definitions(tool_method PRIVATE LIMBECK_SOURCE_DIR="${CMAKE_SOURCE_DIR}")
target_link_libraries(tool_method PRIVATE lbk_train)
if(LIMBECK_PYTHON)
  add_test(NAME distill_torch COMMAND ${LIMBECK_PYTHON} ${CMAKE_CURRENT_SOURCE_DIR}/distill/check_torch.py
                                      $<TARGET_FILE:tool_method>)
  set_tests_properties(distill_torch PROPERTIES SKIP_RETURN_CODE 77)
endif()
