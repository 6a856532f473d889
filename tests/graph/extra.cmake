# The float64 references of ops against PyTorch, where it is there.
add_executable(tool_op graph/tool_op.c)
target_link_libraries(tool_op PRIVATE lbk_graph)
target_link_options(tool_op PRIVATE LINKER:-u,lbk_gradient_emit) # ops call it, from a library before lbk_graph's
if(LIMBECK_PYTHON)
  add_test(NAME graph_torch COMMAND ${LIMBECK_PYTHON} ${CMAKE_CURRENT_SOURCE_DIR}/graph/check_torch.py
                                    $<TARGET_FILE:tool_op>)
  set_tests_properties(graph_torch PROPERTIES SKIP_RETURN_CODE 77)
endif()
