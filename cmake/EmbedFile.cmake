# limbeck_embed_file(SYMBOL FILE HEADER OUT_VARIABLE): turns FILE into a C file that defines
# `const unsigned char SYMBOL[]` and `const size_t SYMBOL_size`, both declared in HEADER, and puts the C file's path
# into OUT_VARIABLE. The same file is the script that the build runs:
# cmake -DOUT=out.c -DFILE=in -DSYMBOL=name -DHEADER=folder/name.h -P EmbedFile.cmake
if(CMAKE_SCRIPT_MODE_FILE)
  file(READ ${FILE} hex HEX)
  string(LENGTH "${hex}" digits)
  math(EXPR size "${digits} / 2")
  # 32 bytes a line.
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
  string(REPEAT "0x..," 32 line)
  string(REGEX REPLACE "(${line})" "\\1\n" bytes "${bytes}")
  get_filename_component(name ${FILE} NAME)
  file(WRITE ${OUT} "/* Generated from ${name}; do not edit. */
#include \"${HEADER}\"

const unsigned char ${SYMBOL}[] = {
${bytes}
};
const size_t ${SYMBOL}_size = ${size};
")
  return()
endif()

function(limbeck_embed_file symbol file header out_variable)
  set(out ${CMAKE_BINARY_DIR}/${symbol}.c)
  add_custom_command(
    OUTPUT ${out}
    COMMAND ${CMAKE_COMMAND} -DOUT=${out} -DFILE=${file} -DSYMBOL=${symbol} -DHEADER=${header} -P
            ${CMAKE_SOURCE_DIR}/cmake/EmbedFile.cmake
    DEPENDS ${file} ${CMAKE_SOURCE_DIR}/cmake/EmbedFile.cmake
    COMMENT "Embedding ${file}"
    VERBATIM)
  set(${out_variable} ${out} PARENT_SCOPE)
endfunction()

limbeck_embed_file(lbk_data_digits_csv_gz ${CMAKE_SOURCE_DIR}/host/data/digits/digits.csv.gz data/embedded.h
                   LIMBECK_EMBEDDED_DIGITS)
