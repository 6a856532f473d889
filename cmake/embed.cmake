# cmake -DOUT=file.c -DROOT=kernels -DFILES=a.cl;b.cl -P embed.cmake
set(arrays "")
set(table "")
set(index 0)
foreach(file IN LISTS FILES)
  file(RELATIVE_PATH name ${ROOT} ${file})
  string(REGEX REPLACE "\\.cl$" "" name ${name})
  file(READ ${file} hex HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
  string(APPEND arrays "static const char source_${index}[] = {${bytes}0};\n")
  string(APPEND table "    {\"${name}\", source_${index}},\n")
  math(EXPR index "${index} + 1")
endforeach()
file(WRITE ${OUT}.tmp "/* Generated from kernels/; do not edit. */
#include \"device/embedded.h\"

${arrays}
const lbk_embedded_kernel lbk_embedded_kernels[] = {
${table}    {0, 0},
};
")
execute_process(COMMAND ${CMAKE_COMMAND} -E copy_if_different ${OUT}.tmp ${OUT})
execute_process(COMMAND ${CMAKE_COMMAND} -E touch ${OUT})
file(REMOVE ${OUT}.tmp)
