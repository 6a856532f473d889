# Under sanitizers the program keeps its libraries loaded, as the test programs do.
if(LIMBECK_SANITIZE AND TARGET limbeck)
  target_sources(limbeck PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/support/keep_loaded.c)
  set_target_properties(limbeck PROPERTIES ENABLE_EXPORTS ON)
endif()

# The program itself: every subcommand, and tables of runs.
if(LIMBECK_PYTHON AND TARGET limbeck)
  add_test(NAME cli_program COMMAND ${LIMBECK_PYTHON} ${CMAKE_CURRENT_SOURCE_DIR}/cli/check_cli.py
                                    $<TARGET_FILE:limbeck> ${CMAKE_SOURCE_DIR})
  add_test(NAME cli_reproduce COMMAND ${LIMBECK_PYTHON} ${CMAKE_CURRENT_SOURCE_DIR}/cli/check_reproduce.py
                                      $<TARGET_FILE:limbeck> ${CMAKE_SOURCE_DIR})
  set_tests_properties(cli_program cli_reproduce PROPERTIES TIMEOUT 1500 ENVIRONMENT
    "LIMBECK_CACHE=${CMAKE_BINARY_DIR}/test-cache;LSAN_OPTIONS=suppressions=${CMAKE_CURRENT_SOURCE_DIR}/support/lsan.supp:print_suppressions=0")
endif()
