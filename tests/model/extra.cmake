# The shipped models on a device against the same networks in PyTorch, where it is there.
add_executable(tool_model model/tool_model.c)
target_link_libraries(tool_model PRIVATE lbk_model)
if(LIMBECK_PYTHON)
  # scripts/setup.sh --ci makes a Python that has transformers too.
  find_program(LIMBECK_PYTHON_TOOLS NAMES python3 PATHS ${CMAKE_BINARY_DIR}/python/bin NO_DEFAULT_PATH)
  if(NOT LIMBECK_PYTHON_TOOLS)
    set(LIMBECK_PYTHON_TOOLS ${LIMBECK_PYTHON})
  endif()
  add_test(NAME model_zoo COMMAND ${LIMBECK_PYTHON_TOOLS} ${CMAKE_CURRENT_SOURCE_DIR}/model/check_zoo.py
                                  $<TARGET_FILE:tool_model>)
  set_tests_properties(model_zoo PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 1800 LABELS parity COST 250 ENVIRONMENT
    "PYTHONDONTWRITEBYTECODE=1;LIMBECK_CACHE=${CMAKE_BINARY_DIR}/test-cache")
endif()

# Ops call lbk_gradient_emit() of host/graph, which a program that differentiates nothing has not pulled in.
foreach(target test_model tool_model)
  target_link_options(${target} PRIVATE LINKER:-u,lbk_gradient_emit)
endforeach()
