/* Every kind of malformed safetensors file, with the whole message it gets. */
#include "support/scratch.h"
#include "tensor/safetensors.h"

static scratch s;

static void setup(void) {
    scratch_make(&s);
}
static void teardown(void) {
    scratch_remove(&s);
}

TestSuite(safetensors_bad, .init = setup, .fini = teardown);

#define T(dtype, shape, offsets) "{\"dtype\":\"" dtype "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"
#define A(dtype, shape, offsets) "{\"a\":" T(dtype, shape, offsets) "}"
#define TENSOR "tensor \"a\": "

/* A header, the number of data bytes behind it, and what the file is told. */
static const struct {
    const char *header;
    size_t data;
    const char *message;
} bad[] = {
    {"{\"a\":", 0, "header is not JSON: unexpected token near end of file (byte 5)"},
    {"{}x", 0, "header is not JSON: end of file expected near 'x' (byte 3)"},
    {"", 0, "header is not JSON: unexpected token near end of file (byte 0)"},
    {"[1, 2]", 0, "header is not a JSON object"},
    {"3", 0, "header is not a JSON object"},
    {"{\"a\":" T("F32", "[1]", "[0,4]") ",\"a\":" T("F32", "[1]", "[4,8]") "}", 8,
     "header is not JSON: duplicate object key near '\"a\"' (byte 57)"},
    {"{\"a\":7}", 0, TENSOR "its entry is not an object"},
    {"{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}", 4, TENSOR "dtype is missing or not text"},
    {"{\"a\":{\"dtype\":1,\"shape\":[1],\"data_offsets\":[0,4]}}", 4, TENSOR "dtype is missing or not text"},
    {A("F8_E4M3", "[4]", "[0,4]"), 4, TENSOR "unknown dtype \"F8_E4M3\""},
    {A("f32", "[1]", "[0,4]"), 4, TENSOR "unknown dtype \"f32\""},
    {"{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, TENSOR "shape is missing or not a list"},
    {A("F32", "4", "[0,4]"), 4, TENSOR "shape is missing or not a list"},
    {A("F32", "[1,1,1,1,1,1,1]", "[0,4]"), 4, TENSOR "more than 6 dimensions"},
    {A("F32", "[-1]", "[0,4]"), 4, TENSOR "a dimension is not an integer >= 0"},
    {A("F32", "[1.0]", "[0,4]"), 4, TENSOR "a dimension is not an integer >= 0"},
    {A("F32", "[\"1\"]", "[0,4]"), 4, TENSOR "a dimension is not an integer >= 0"},
    {A("F32", "[4611686018427387904,4]", "[0,4]"), 4, TENSOR "shape overflows"},
    {A("F32", "[2147483648,2147483648,4]", "[0,0]"), 0, TENSOR "shape overflows"},
    {A("F32", "[0,4611686018427387904,4]", "[0,0]"), 0, TENSOR "shape overflows"},
    {A("U8", "[9223372036854775807,2]", "[0,0]"), 0, TENSOR "shape overflows"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, TENSOR "data_offsets is not a list of two integers"},
    {A("F32", "[1]", "[0]"), 4, TENSOR "data_offsets is not a list of two integers"},
    {A("F32", "[1]", "[0,4,8]"), 4, TENSOR "data_offsets is not a list of two integers"},
    {A("F32", "[1]", "[0,4.0]"), 4, TENSOR "data_offsets is not a list of two integers"},
    {A("F32", "[1]", "[4,0]"), 4, TENSOR "data_offsets run backwards or are negative"},
    {A("F32", "[1]", "[-4,0]"), 4, TENSOR "data_offsets run backwards or are negative"},
    {A("F32", "[2]", "[0,8]"), 7, TENSOR "data_offsets lie beyond the end of the file"},
    {A("F32", "[1]", "[9223372036854775803,9223372036854775807]"), 4,
     TENSOR "data_offsets lie beyond the end of the file"},
    {A("F32", "[2]", "[0,4]"), 4, TENSOR "shape and data_offsets do not agree"},
    {A("F16", "[2]", "[0,8]"), 8, TENSOR "shape and data_offsets do not agree"},
    {A("F32", "[0]", "[0,4]"), 4, TENSOR "shape and data_offsets do not agree"},
    {"{\"a\":" T("F32", "[2]", "[0,8]") ",\"b\":" T("F32", "[2]", "[4,12]") "}", 12,
     "tensor \"b\": data overlap those of another tensor"},
    {"{\"a\":" T("F32", "[1]", "[0,4]") ",\"b\":" T("F32", "[1]", "[0,4]") "}", 4,
     "tensor \"b\": data overlap those of another tensor"},
    {"{\"b\":" T("F32", "[1]", "[8,12]") ",\"a\":" T("F32", "[1]", "[0,4]") "}", 12,
     "tensor \"b\": a gap lies before its data"},
    {A("F32", "[1]", "[4,8]"), 8, TENSOR "a gap lies before its data"},
    {A("F32", "[1]", "[0,4]"), 5, "bytes behind the last tensor's data"},
    {"{}", 1, "bytes behind the last tensor's data"},
    {"{\"__metadata__\":[]}", 0, "__metadata__ is not an object"},
    {"{\"__metadata__\":{\"epoch\":3}}", 0, "a value of __metadata__ is not text"},
    {"{\"a\":" T("F32", "[99999999999999999999]", "[0,4]") "}", 4,
     "header is not JSON: too big integer near '99999999999999999999' (byte 49)"},
};

static void expect_refused(const void *bytes, size_t length, const char *message) {
    char expected[1024];
    lbk_st_file file;
    const char *path = scratch_write(&s, "bad", bytes, length);
    snprintf(expected, sizeof expected, "%s: safetensors: %s", path, message);
    cr_expect_eq(lbk_st_open(&file, path), LBK_ERR_INPUT, "accepted; expected: %s", message);
    cr_expect_str_eq(lbk_error_message(), expected);
    cr_expect_null(file.map);
    cr_expect_null(file.path);
    lbk_error_clear();
}

Test(safetensors_bad, messages) {
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char bytes[1024] = {0};
        size_t length = strlen(bad[i].header);
        bytes[0] = (char)length;
        memcpy(bytes + 8, bad[i].header, length);
        expect_refused(bytes, 8 + length + bad[i].data, bad[i].message);
    }
}

Test(safetensors_bad, lengths) {
    expect_refused("", 0, "shorter than the 8 bytes of its header's length");
    expect_refused("\2\0\0\0\0\0\0", 7, "shorter than the 8 bytes of its header's length");
    expect_refused("\3\0\0\0\0\0\0\0{}", 10, "header of 3 bytes in a file of 10; is this a safetensors file?");
    expect_refused("\377\377\377\377\377\377\377\377{}", 10,
                   "header of 18446744073709551615 bytes in a file of 10; is this a safetensors file?");
    expect_refused("\0\0\0\0\0\0\0\200{}", 10,
                   "header of 9223372036854775808 bytes in a file of 10; is this a safetensors file?");
}

Test(safetensors_bad, unreadable_files) {
    char expected[1024];
    lbk_st_file file;
    cr_expect_eq(lbk_st_open(&file, scratch_path(&s, "none")), LBK_ERR_IO);
    snprintf(expected, sizeof expected, "cannot read \"%s\": No such file or directory", s.path);
    cr_expect_str_eq(lbk_error_message(), expected);
    cr_expect_eq(lbk_st_open(&file, s.folder), LBK_ERR_IO);
    snprintf(expected, sizeof expected, "cannot read \"%s\": not a regular file", s.folder);
    cr_expect_str_eq(lbk_error_message(), expected);
}
