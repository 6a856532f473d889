target_sources(test_train PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/support/clfault.c)
target_link_libraries(test_train PRIVATE ${CMAKE_DL_LIBS} PkgConfig::jansson)

if(LIMBECK_PYTHON AND TARGET limbeck)
  foreach(check finetune methods prebuilt resume)
    add_test(NAME train_${check} COMMAND ${LIMBECK_PYTHON} ${CMAKE_CURRENT_SOURCE_DIR}/train/check_${check}.py
                                         $<TARGET_FILE:limbeck> ${CMAKE_SOURCE_DIR})
    set_tests_properties(train_${check} PROPERTIES TIMEOUT 1500 ENVIRONMENT
      "LIMBECK_CACHE=${CMAKE_BINARY_DIR}/test-cache;LSAN_OPTIONS=suppressions=${CMAKE_CURRENT_SOURCE_DIR}/support/lsan.supp:print_suppressions=0")
  endforeach()
  set_tests_properties(train_methods train_resume PROPERTIES COST 100) # they begin early
endif()
