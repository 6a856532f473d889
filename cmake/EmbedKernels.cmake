# Turns kernels/{generic,cpu,gpu}/*.cl into one C file, so that the program carries its kernels.
file(GLOB LIMBECK_KERNEL_FILES CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/kernels/*/*.cl)
set(LIMBECK_EMBEDDED_KERNELS ${CMAKE_BINARY_DIR}/embedded_kernels.c)
add_custom_command(
  OUTPUT ${LIMBECK_EMBEDDED_KERNELS}
  COMMAND ${CMAKE_COMMAND} -DOUT=${LIMBECK_EMBEDDED_KERNELS} -DROOT=${CMAKE_SOURCE_DIR}/kernels "-DFILES=${LIMBECK_KERNEL_FILES}" -P
          ${CMAKE_SOURCE_DIR}/cmake/embed.cmake
  DEPENDS ${LIMBECK_KERNEL_FILES} ${CMAKE_SOURCE_DIR}/cmake/embed.cmake
  COMMENT "Embedding kernels"
  VERBATIM)
