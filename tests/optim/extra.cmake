# The float64 references against torch.optim, where PyTorch is there.
add_executable(tool_reference optim/tool_reference.c optim/helpers/settings.c)
target_include_directories(tool_reference PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
target_link_libraries(tool_reference PRIVATE lbk_optim)
if(LIMBECK_PYTHON)
  add_test(NAME optim_torch COMMAND ${LIMBECK_PYTHON} ${CMAKE_CURRENT_SOURCE_DIR}/optim/check_torch.py
                                    $<TARGET_FILE:tool_reference>)
  set_tests_properties(optim_torch PROPERTIES SKIP_RETURN_CODE 77)
endif()
