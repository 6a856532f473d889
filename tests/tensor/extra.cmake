# NumPy (and PyTorch, where it is there) read our safetensors files and write ours to read. The python3 on the PATH comes
# first, unless it is one without NumPy and the system's has it.
add_executable(tool_safetensors tensor/tool_safetensors.c)
target_link_libraries(tool_safetensors PRIVATE lbk_tensor)
find_program(LIMBECK_PYTHON python3)
find_program(LIMBECK_SYSTEM_PYTHON python3 PATHS /usr/bin NO_DEFAULT_PATH)
foreach(python IN LISTS LIMBECK_SYSTEM_PYTHON LIMBECK_PYTHON) # the last that has NumPy stays
  execute_process(COMMAND ${python} -c "import numpy" RESULT_VARIABLE failed OUTPUT_QUIET ERROR_QUIET)
  if(NOT failed)
    set(numpy_python ${python})
  endif()
endforeach()
if(numpy_python)
  add_test(NAME tensor_numpy COMMAND ${numpy_python} ${CMAKE_CURRENT_SOURCE_DIR}/tensor/check_safetensors.py
                                     $<TARGET_FILE:tool_safetensors>)
  set_tests_properties(tensor_numpy PROPERTIES SKIP_RETURN_CODE 77)
endif()
