target_link_libraries(test_report PRIVATE PkgConfig::jansson)
# Ops call lbk_gradient_emit() of host/graph, which a program that differentiates nothing has not pulled in.
target_link_options(test_report PRIVATE LINKER:-u,lbk_gradient_emit)
