# test_on_device.c runs whole experiments, as tests/train does.
target_sources(test_distill PRIVATE ${CMAKE_CURRENT_SOURCE_DIR}/train/helpers/little_run.c)
target_link_libraries(test_distill PRIVATE lbk_train PkgConfig::jansson)
