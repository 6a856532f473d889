target_sources(test_ops PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/support/op_runner.c
                                ${CMAKE_CURRENT_SOURCE_DIR}/support/op_cases.c)
target_link_libraries(test_ops PRIVATE clblast)

# The same cases without Criterion's processes, to be run under oclgrind or by hand: tool_ops CLASS [OP...]
add_executable(ops_tool ops/tool_ops.c ops/helpers/fake_gradient.c support/op_runner.c support/op_cases.c)
target_include_directories(ops_tool PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
target_link_libraries(ops_tool PRIVATE lbk_ops clblast)
