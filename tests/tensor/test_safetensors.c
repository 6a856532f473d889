#include "base/file.h"
#include "support/mutate.h"
#include "support/scratch.h"
#include "tensor/safetensors.h"

#include <math.h>

static scratch s;

static void setup(void) {
    scratch_make(&s);
}
static void teardown(void) {
    scratch_remove(&s);
}

TestSuite(safetensors, .init = setup, .fini = teardown);

static const float weight[6] = {1.5f, -2, 0, 3e-40f, INFINITY, 6};
static const int32_t labels[3] = {-1, 0, 2147483647};
static const int64_t tracked = -5000000000;
static const char *const metadata[] = {"format", "pt", "limbeck.epoch", "12", NULL};

static const lbk_st_entry entries[] = {{"fc.weight", LBK_F32, {2, {2, 3}}, weight},
                                       {"labels", LBK_I32, {1, {3}}, labels},
                                       {"bn1.num_batches_tracked", LBK_I64, {0, {0}}, &tracked},
                                       {"empty", LBK_F32, {3, {4, 0, 2}}, NULL},
                                       {"caf\xC3\xA9 \"x\\\n", LBK_F32, {1, {1}}, weight}};
enum { ENTRIES = 5 };

static const char *write_sample(void) {
    const char *path = scratch_path(&s, "x.safetensors");
    cr_assert_eq(lbk_st_write(path, entries, ENTRIES, metadata), LBK_OK, "%s", lbk_error_message());
    return path;
}

Test(safetensors, round_trip) {
    lbk_st_file file;
    cr_assert_eq(lbk_st_open(&file, write_sample()), LBK_OK, "%s", lbk_error_message());
    cr_assert_eq(file.count, ENTRIES);
    for (size_t i = 0; i < ENTRIES; i++) {
        const lbk_st_entry *entry = lbk_st_find(&file, entries[i].name);
        size_t bytes = lbk_tensor_bytes(&(lbk_tensor_desc){entries[i].dtype, entries[i].shape});
        cr_assert_not_null(entry);
        cr_expect_eq(entry->dtype, entries[i].dtype);
        cr_expect(lbk_shape_equal(&entry->shape, &entries[i].shape));
        cr_expect(bytes == 0 || memcmp(entry->data, entries[i].data, bytes) == 0);
    }
    for (size_t i = 1; i < file.count; i++)
        cr_expect_lt(strcmp(file.entries[i - 1].name, file.entries[i].name), 0);
    cr_expect_null(lbk_st_find(&file, "fc"));
    cr_expect_str_eq(lbk_st_metadata(&file, "limbeck.epoch"), "12");
    cr_expect_null(lbk_st_metadata(&file, "pt"));
    lbk_st_close(&file);
    cr_expect_null(file.map);
    lbk_st_close(&file);
}

Test(safetensors, header_is_padded_and_bytes_repeat) {
    char *first, *second;
    size_t length, again;
    cr_assert_eq(lbk_file_read(write_sample(), &first, &length), LBK_OK);
    cr_assert_eq(lbk_file_read(write_sample(), &second, &again), LBK_OK);
    cr_assert_eq(length, again);
    cr_assert_eq(memcmp(first, second, length), 0);
    cr_expect_eq((unsigned char)first[0] % 8, 0, "header length is a multiple of 8");
    static const char start[] = "{\"__metadata__\":{\"format\":\"pt\",\"limbeck.epoch\":\"12\"},"
                                "\"fc.weight\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]},";
    cr_expect_eq(strncmp(first + 8, start, sizeof start - 1), 0, "%s", first + 8);
    cr_expect_eq(scratch_count(&s), 1);
    free(first);
    free(second);
}

Test(safetensors, nothing_at_all) {
    lbk_st_file file;
    const char *path = scratch_path(&s, "none.safetensors");
    cr_assert_eq(lbk_st_write(path, NULL, 0, NULL), LBK_OK);
    cr_assert_eq(lbk_st_open(&file, path), LBK_OK, "%s", lbk_error_message());
    cr_expect_eq(file.count, 0);
    cr_expect_null(lbk_st_find(&file, "x"));
    cr_expect_null(lbk_st_metadata(&file, "format"));
    lbk_st_close(&file);
}

Test(safetensors, writing_refuses_bad_names) {
    const lbk_st_entry twice[] = {entries[1], entries[1]};
    const lbk_st_entry reserved = {"__metadata__", LBK_I32, {1, {3}}, labels};
    const lbk_st_entry not_utf8 = {"\xFF", LBK_I32, {1, {3}}, labels};
    const char *path = scratch_path(&s, "y");
    cr_expect_eq(lbk_st_write(path, twice, 2, NULL), LBK_ERR_INTERNAL);
    cr_expect_eq(lbk_st_write(path, &reserved, 1, NULL), LBK_ERR_INTERNAL);
    cr_expect_eq(lbk_st_write(path, &not_utf8, 1, NULL), LBK_ERR_INTERNAL);
    cr_expect_eq(scratch_count(&s), 0);
    cr_expect_eq(lbk_st_write(scratch_path(&s, "no/folder"), entries, 1, NULL), LBK_ERR_IO);
}

/* Builds a file from a header and data, opens it. */
static lbk_status open_built(lbk_st_file *file, const char *header, const void *data, size_t data_bytes) {
    char bytes[2048];
    size_t length = strlen(header);
    memset(bytes, 0, 8);
    bytes[0] = (char)(length & 0xFF);
    bytes[1] = (char)(length >> 8);
    memcpy(bytes + 8, header, length);
    memcpy(bytes + 8 + length, data, data_bytes);
    return lbk_st_open(file, scratch_write(&s, "built", bytes, 8 + length + data_bytes));
}

Test(safetensors, halves_become_floats) {
    static const uint16_t halves[] = {0x0000, 0x8000, 0x3C00, 0xC000, 0x7BFF, 0x0400,
                                      0x0001, 0x83FF, 0x7C00, 0xFC00, 0x3555};
    static const float floats[] = {0.0f,     -0.0f,       1.0f,     -2.0f,     65504.0f,   0x1p-14f,
                                   0x1p-24f, -0x3FFp-24f, INFINITY, -INFINITY, 0x1.554p-2f};
    lbk_st_file file;
    cr_assert_eq(open_built(&file, "{\"h\":{\"dtype\":\"F16\",\"shape\":[11],\"data_offsets\":[0,22]}}", halves, 22),
                 LBK_OK, "%s", lbk_error_message());
    cr_expect_eq(file.entries[0].dtype, LBK_F32);
    cr_expect_eq(memcmp(file.entries[0].data, floats, sizeof floats), 0);
    lbk_st_close(&file);
    uint16_t nan = 0x7E01;
    cr_assert_eq(open_built(&file, "{\"h\":{\"dtype\":\"F16\",\"shape\":[],\"data_offsets\":[0,2]}}", &nan, 2), LBK_OK);
    cr_expect(isnan(*(const float *)file.entries[0].data));
    lbk_st_close(&file);
}

Test(safetensors, other_types_are_converted) {
    static const unsigned char data[] = {0xC0, 0x3F,                           /* BF16 1.5 */
                                         0,    0,    0,   0, 0, 0, 0xE0, 0xBF, /* F64 -0.5 */
                                         1,    0xFF,                           /* BOOL true, U8 255 */
                                         0xFF, 0xFE, 0xFF};                    /* I8 -1, I16 -2 */
    static const char header[] = "{\"b\":{\"dtype\":\"BF16\",\"shape\":[1],\"data_offsets\":[0,2]},"
                                 "\"d\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[2,10]},"
                                 "\"t\":{\"dtype\":\"BOOL\",\"shape\":[1],\"data_offsets\":[10,11]},"
                                 "\"u\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[11,12]},"
                                 "\"i\":{\"dtype\":\"I8\",\"shape\":[1],\"data_offsets\":[12,13]},"
                                 "\"s\":{\"dtype\":\"I16\",\"shape\":[1],\"data_offsets\":[13,15]}}";
    lbk_st_file file;
    cr_assert_eq(open_built(&file, header, data, sizeof data), LBK_OK, "%s", lbk_error_message());
    cr_expect_eq(*(const float *)lbk_st_find(&file, "b")->data, 1.5f);
    cr_expect_eq(*(const float *)lbk_st_find(&file, "d")->data, -0.5f);
    cr_expect_eq(*(const int32_t *)lbk_st_find(&file, "t")->data, 1);
    cr_expect_eq(*(const int32_t *)lbk_st_find(&file, "u")->data, 255);
    cr_expect_eq(*(const int32_t *)lbk_st_find(&file, "i")->data, -1);
    cr_expect_eq(*(const int32_t *)lbk_st_find(&file, "s")->data, -2);
    cr_expect_eq(lbk_st_find(&file, "s")->dtype, LBK_I32);
    lbk_st_close(&file);
}

/* Damaged files are refused, or read without touching a byte outside them (AddressSanitizer watches). */
Test(safetensors, damaged_files) {
    char *whole, bytes[1200];
    size_t whole_length;
    int accepted = 0;
    lbk_rng rng;
    lbk_rng_init(&rng, 4, LBK_RNG_TEST, 0, 0);
    cr_assert_eq(lbk_file_read(write_sample(), &whole, &whole_length), LBK_OK);
    cr_assert_lt(whole_length, 1000);
    for (int i = 0; i < 6000; i++) {
        size_t length = whole_length;
        unsigned sum = 0;
        lbk_st_file file;
        memcpy(bytes, whole, length);
        mutate(&rng, bytes, &length, sizeof bytes, "0123456789{}[]:,\"-FI");
        lbk_status status = lbk_st_open(&file, scratch_write(&s, "damaged", bytes, length));
        cr_assert(status == LBK_OK || status == LBK_ERR_INPUT);
        accepted += status == LBK_OK;
        for (size_t e = 0; status == LBK_OK && e < file.count; e++) {
            size_t size = lbk_tensor_bytes(&(lbk_tensor_desc){file.entries[e].dtype, file.entries[e].shape});
            for (size_t b = 0; b < size; b++)
                sum += ((const unsigned char *)file.entries[e].data)[b];
        }
        cr_assert(sum < 255u * sizeof bytes * 4);
        lbk_st_close(&file);
    }
    cr_assert(accepted > 60 && accepted < 5000, "%d: the mutations are too weak or too strong", accepted);
    free(whole);
}
