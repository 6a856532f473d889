# The shipped models against the same networks in PyTorch, where it is there.
add_executable(tool_logits model/tool_logits.c)
target_link_libraries(tool_logits PRIVATE lbk_model)
if(LIMBECK_PYTHON)
  add_test(NAME model_torch COMMAND ${LIMBECK_PYTHON} ${CMAKE_CURRENT_SOURCE_DIR}/model/check_torch.py
                                    $<TARGET_FILE:tool_logits>)
  set_tests_properties(model_torch PROPERTIES SKIP_RETURN_CODE 77)
endif()

# Ops call lbk_gradient_emit() of host/graph, which a program that differentiates nothing has not pulled in.
foreach(target test_model tool_logits)
  target_link_options(${target} PRIVATE LINKER:-u,lbk_gradient_emit)
endforeach()
