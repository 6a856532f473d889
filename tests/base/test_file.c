#include "base/file.h"
#include "base/json.h"
#include "support/scratch.h"

#include <fcntl.h>
#include <sys/wait.h>

static scratch s;

static void setup(void) {
    scratch_make(&s);
}
static void teardown(void) {
    scratch_remove(&s);
}

TestSuite(file, .init = setup, .fini = teardown);

static void expect_contents(const char *path, const char *expected) {
    char *text;
    size_t length;
    cr_assert_eq(lbk_file_read(path, &text, &length), LBK_OK, "%s", lbk_error_message());
    cr_assert_eq(length, strlen(expected));
    cr_assert_str_eq(text, expected);
    free(text);
}

static void expect_message(const char *fmt, const char *path) {
    char expected[1024];
    snprintf(expected, sizeof expected, fmt, path);
    cr_assert_str_eq(lbk_error_message(), expected);
}

Test(file, read_returns_bytes_and_a_nul) {
    char *text;
    size_t length;
    const char *path = scratch_write(&s, "x", "a\0b\n", 4);
    cr_assert_eq(lbk_file_read(path, &text, &length), LBK_OK);
    cr_assert_eq(length, 4);
    cr_assert_arr_eq(text, "a\0b\n", 5);
    free(text);
    cr_assert_eq(lbk_file_read(scratch_write(&s, "empty", "", 0), &text, &length), LBK_OK);
    cr_assert_eq(length, 0);
    cr_assert_str_eq(text, "");
    free(text);
}

Test(file, read_larger_than_one_chunk) {
    static char big[300001];
    for (size_t i = 0; i < sizeof big; i++)
        big[i] = (char)(i * 31 >> 3);
    char *text;
    size_t length;
    cr_assert_eq(lbk_file_read(scratch_write(&s, "big", big, sizeof big), &text, &length), LBK_OK);
    cr_assert_eq(length, sizeof big);
    cr_assert_eq(memcmp(text, big, sizeof big), 0);
    free(text);
}

Test(file, read_failures_name_the_path) {
    char *text = s.folder;
    size_t length;
    cr_assert_eq(lbk_file_read(scratch_path(&s, "none"), &text, &length), LBK_ERR_IO);
    cr_assert_null(text);
    expect_message("cannot read \"%s\": No such file or directory", s.path);
    cr_assert_eq(lbk_file_read(s.folder, &text, &length), LBK_ERR_IO);
    expect_message("cannot read \"%s\": Is a directory", s.folder);
}

Test(file, atomic_write_creates_and_replaces) {
    const char *path = scratch_path(&s, "out");
    cr_assert_eq(lbk_file_write_atomic(path, "one", 3), LBK_OK);
    expect_contents(path, "one");
    cr_assert_eq(lbk_file_write_atomic(path, "", 0), LBK_OK);
    expect_contents(path, "");
    cr_assert_eq(lbk_file_write_atomic(path, "three", 5), LBK_OK);
    expect_contents(path, "three");
    cr_assert_eq(scratch_count(&s), 1, "a temporary file was left");
}

Test(file, atomic_write_in_the_working_folder) {
    cr_assert_eq(chdir(s.folder), 0);
    cr_assert_eq(lbk_file_write_atomic("plain", "x", 1), LBK_OK, "%s", lbk_error_message());
    expect_contents("plain", "x");
    cr_assert_eq(chdir("/"), 0);
}

Test(file, the_old_file_stands_until_commit) {
    const char *path = scratch_write(&s, "out", "old", 3);
    lbk_file_writer writer;
    cr_assert_eq(lbk_file_writer_open(&writer, path), LBK_OK);
    fputs("new", writer.stream);
    fflush(writer.stream);
    expect_contents(path, "old");
    cr_assert_eq(scratch_count(&s), 2);
    cr_assert_eq(lbk_file_writer_commit(&writer), LBK_OK);
    expect_contents(path, "new");
    cr_assert_eq(scratch_count(&s), 1);
    cr_assert_null(writer.stream);
    lbk_file_writer_abort(&writer);
}

Test(file, abort_leaves_the_old_file_alone) {
    const char *path = scratch_write(&s, "out", "old", 3);
    lbk_file_writer writer;
    cr_assert_eq(lbk_file_writer_open(&writer, path), LBK_OK);
    fputs("new", writer.stream);
    lbk_file_writer_abort(&writer);
    expect_contents(path, "old");
    cr_assert_eq(scratch_count(&s), 1);
    lbk_file_writer_abort(&writer);
    lbk_file_writer zeroed = {0};
    lbk_file_writer_abort(&zeroed);
}

/* A process that dies in the middle of writing: the old file is whole. */
Test(file, death_while_writing_leaves_the_old_file) {
    const char *path = scratch_write(&s, "out", "old", 3);
    pid_t child = fork();
    cr_assert_geq(child, 0);
    if (child == 0) {
        lbk_file_writer writer;
        if (lbk_file_writer_open(&writer, path) == LBK_OK) {
            fputs("half of the new conte", writer.stream);
            fflush(writer.stream);
        }
        _exit(0);
    }
    cr_assert_eq(waitpid(child, NULL, 0), child);
    expect_contents(path, "old");
    cr_assert_eq(scratch_count(&s), 2, "the child should have left its temporary file");
}

Test(file, write_failures_name_the_path_and_leave_nothing) {
    cr_assert_eq(lbk_file_write_atomic(scratch_path(&s, "no/such/folder"), "x", 1), LBK_ERR_IO);
    expect_message("cannot create \"%s\": No such file or directory", s.path);
    cr_assert_eq(mkdir(scratch_path(&s, "folder"), 0777), 0);
    cr_assert_eq(lbk_file_write_atomic(s.path, "x", 1), LBK_ERR_IO);
    expect_message("cannot replace \"%s\": Is a directory", s.path);
    cr_assert_eq(scratch_count(&s), 1);
}

/* /dev/full takes no byte: the failure shows at the latest when the stream is flushed. */
Test(file, full_disk_is_noticed_at_commit) {
    const char *path = scratch_write(&s, "out", "old", 3);
    lbk_file_writer writer;
    cr_assert_eq(lbk_file_writer_open(&writer, path), LBK_OK);
    int full = open("/dev/full", O_WRONLY);
    cr_assert_geq(full, 0);
    cr_assert_geq(dup2(full, fileno(writer.stream)), 0);
    close(full);
    fputs("does not fit", writer.stream);
    cr_assert_eq(lbk_file_writer_commit(&writer), LBK_ERR_IO);
    expect_message("cannot write \"%s\": No space left on device", path);
    expect_contents(path, "old");
    cr_assert_eq(scratch_count(&s), 1);
}

Test(file, folders) {
    char nested[600];
    snprintf(nested, sizeof nested, "%s/a/b//c/", s.folder);
    cr_assert_not(lbk_path_exists(nested));
    cr_assert_eq(lbk_path_make_folder(nested), LBK_OK, "%s", lbk_error_message());
    cr_assert(lbk_path_is_folder(nested));
    cr_assert_eq(lbk_path_make_folder(nested), LBK_OK, "a second time");
    const char *file = scratch_write(&s, "file", "x", 1);
    cr_assert(lbk_path_exists(file) && lbk_path_is_regular(file) && !lbk_path_is_folder(file));
    cr_assert_not(lbk_path_is_regular(s.folder));
    snprintf(nested, sizeof nested, "%s/file/below", s.folder);
    cr_assert_eq(lbk_path_make_folder(nested), LBK_ERR_IO);
    expect_message("cannot create folder \"%s\": File exists", file);
}

Test(file, join) {
    static const char *const rows[][3] = {{"a", "b", "a/b"},
                                          {"a/", "b", "a/b"},
                                          {"", "b", "b"},
                                          {NULL, "b", "b"},
                                          {"a", "/b", "/b"},
                                          {"/", "b", "/b"},
                                          {"a/b", "../c.ini", "a/b/../c.ini"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char *joined;
        cr_assert_eq(lbk_path_join(rows[i][0], rows[i][1], &joined), LBK_OK);
        cr_expect_str_eq(joined, rows[i][2]);
        free(joined);
    }
}

Test(file, shipped_files_are_found_under_home_first) {
    cr_assert_eq(mkdir(scratch_path(&s, "models"), 0777), 0);
    scratch_write(&s, "models/only-here.ini", "", 0);
    cr_assert_null(lbk_path_find_shipped("models", "only-here.ini"));
    setenv("LIMBECK_HOME", s.folder, 1);
    char *found = lbk_path_find_shipped("models", "only-here.ini");
    cr_assert_not_null(found);
    cr_assert_str_eq(found, s.path);
    free(found);
    cr_assert_null(lbk_path_find_shipped("models", "absent.ini"));
    char *source = lbk_path_find_shipped("host", "base/file.h");
    cr_assert_not_null(source, "the source tree is the last resort");
    free(source);
}

static void expect_cache(const char *expected) {
    char *path;
    struct stat info;
    cr_assert_eq(lbk_path_cache(&path), LBK_OK, "%s", lbk_error_message());
    cr_assert_str_eq(path, expected);
    cr_assert_eq(stat(path, &info), 0);
    cr_assert_eq(info.st_mode & 0777, 0700);
    free(path);
}

Test(file, cache_folder_by_precedence) {
    char *path;
    unsetenv("LIMBECK_CACHE");
    unsetenv("XDG_CACHE_HOME");
    setenv("HOME", s.folder, 1);
    expect_cache(scratch_path(&s, ".cache/limbeck"));
    setenv("XDG_CACHE_HOME", scratch_path(&s, "xdg"), 1);
    expect_cache(scratch_path(&s, "xdg/limbeck"));
    setenv("LIMBECK_CACHE", scratch_path(&s, "own/deep"), 1);
    expect_cache(s.path);
    unsetenv("LIMBECK_CACHE");
    unsetenv("XDG_CACHE_HOME");
    unsetenv("HOME");
    cr_assert_eq(lbk_path_cache(&path), LBK_ERR_IO);
    cr_assert_null(path);
    cr_assert_str_eq(lbk_error_message(),
                     "no folder for the cache: none of LIMBECK_CACHE, XDG_CACHE_HOME and HOME is set");
}

Test(file, json_round_trip_keeps_order) {
    const char *path = scratch_path(&s, "r.json");
    json_t *json = json_pack("{s:i, s:[f, b], s:s}", "zeta", 1, "alpha", 0.5, 1, "name", "\xC3\xA9");
    cr_assert_eq(lbk_json_write(path, json), LBK_OK, "%s", lbk_error_message());
    expect_contents(path, "{\n  \"zeta\": 1,\n  \"alpha\": [\n    0.5,\n    true\n  ],\n  \"name\": \"\xC3\xA9\"\n}\n");
    json_t *back;
    cr_assert_eq(lbk_json_read(path, &back), LBK_OK);
    cr_assert(json_equal(json, back));
    json_decref(json);
    json_decref(back);
}

Test(file, json_failures_name_file_and_line) {
    json_t *json;
    const char text[] = "{\"a\": 1,\n\"a\": 2}";
    cr_assert_eq(lbk_json_read(scratch_write(&s, "bad.json", text, sizeof text - 1), &json), LBK_ERR_INPUT);
    cr_assert_null(json);
    expect_message("%s:2: JSON: duplicate object key near '\"a\"'", s.path);
    cr_assert_eq(lbk_json_read(scratch_path(&s, "none.json"), &json), LBK_ERR_IO);
}
