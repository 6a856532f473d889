# NumPy (and PyTorch, where it is there) read our safetensors files and write ours to read.
add_executable(tool_safetensors tensor/tool_safetensors.c)
target_link_libraries(tool_safetensors PRIVATE lbk_tensor)
if(LIMBECK_PYTHON)
  add_test(NAME tensor_numpy COMMAND ${LIMBECK_PYTHON} ${CMAKE_CURRENT_SOURCE_DIR}/tensor/check_safetensors.py
                                     $<TARGET_FILE:tool_safetensors>)
  set_tests_properties(tensor_numpy PROPERTIES SKIP_RETURN_CODE 77)
endif()
