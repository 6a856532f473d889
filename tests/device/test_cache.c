/* The disk cache: hits, damage, several processes, folders that cannot be written. */
#include "device/helpers/sandbox.h"

#include "base/file.h"

#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

static void enter(void) {
    sandbox_enter(0);
}

TestSuite(cache, .init = enter, .fini = sandbox_leave);

/* Opens, runs test/scale with FACTOR 9, closes; what the builds were. */
static lbk_build_stats build(void) {
    lbk_device *device = sandbox_open("0.0", NULL);
    sandbox_check_scale(device, 9, 100);
    lbk_build_stats stats = lbk_device_build_stats(device);
    lbk_device_close(device);
    return stats;
}

static void expect_built(void) {
    lbk_build_stats stats = build();
    cr_expect_eq(stats.built, 1);
    cr_expect_eq(stats.from_disk, 0);
}

static void expect_from_disk(void) {
    lbk_build_stats stats = build();
    cr_expect_eq(stats.built, 0);
    cr_expect_eq(stats.from_disk, 1);
}

Test(cache, second_context_loads) {
    expect_built();
    cr_expect_str_eq(sandbox_log(),
                     "kernel test/scale is taken from " LIMBECK_TESTS_DIR "/device/kernels/test/scale.cl\n");
    sandbox_log_clear();
    expect_from_disk();
    cr_expect_str_eq(sandbox_log(), "");
    free(sandbox_cache_entry());
}

/* By default a driver that once made a binary as slowly as it compiles is asked for no further ones. Which of these programs, if any, tells it
 * so depends on what else the machine does. */
Test(cache, dear_binaries_are_asked_for_once) {
    unsetenv("LIMBECK_STORE");
    for (int factor = 2; factor < 5; factor++) {
        bool dear = sandbox_cache_count(".dear") > 0;
        int entries = sandbox_cache_count(".bin");
        lbk_device *device = sandbox_open("0.0", NULL);
        sandbox_check_scale(device, factor, 100);
        lbk_device_close(device);
        cr_expect(sandbox_cache_count(".bin") <= entries + (dear ? 0 : 1), "program %d, %s", factor,
                  dear ? "asked for after the note" : "two entries for one program");
        cr_expect(sandbox_cache_count(".dear") <= 1);
    }
}

/* The parts of a device share entries with it and each other, though not programs. */
Test(cache, parts_load_each_others) {
    const lbk_device_list *list = sandbox_list();
    lbk_device_spec specs[2];
    lbk_device *devices[2];
    if (list->items[0].caps.max_sub_devices < 2 || list->items[0].caps.compute_units < 2)
        cr_skip_test("the first device cannot be split");
    OK(lbk_device_spec_parse(list, "0.0/1 of 2", &specs[0]));
    OK(lbk_device_spec_parse(list, "0.0/2 of 2", &specs[1]));
    OK(lbk_device_open(list, specs, NULL, 2, devices));
    sandbox_check_scale(devices[0], 9, 100);
    sandbox_check_scale(devices[1], 9, 100);
    lbk_build_stats stats = lbk_device_build_stats(devices[0]);
    cr_expect_eq(stats.built, 1);
    cr_expect_eq(stats.from_disk, 1);
    lbk_device_close(devices[0]);
    lbk_device_close(devices[1]);
    expect_from_disk();
}

/* Damages the only entry by `change`, then expects a rebuild with `why` in the log and a whole entry after it. */
static void damaged(void (*change)(const char *path, char *bytes, size_t length), const char *why) {
    char *path = sandbox_cache_entry(), *bytes = NULL, *after = NULL;
    size_t length = 0, length_after = 0;
    OK(lbk_file_read(path, &bytes, &length));
    change(path, bytes, length);
    sandbox_log_clear();
    expect_built();
    cr_expect(strstr(sandbox_log(), why) != NULL, "log lacks \"%s\": %s", why, sandbox_log());
    cr_expect(strstr(sandbox_log(), "; it is built again\n") != NULL, "%s", sandbox_log());
    expect_from_disk();
    OK(lbk_file_read(path, &after, &length_after));
    cr_expect(length_after > 1000, "the entry is written anew");
    free(bytes);
    free(after);
    free(path);
}

static void empty(const char *path, char *bytes, size_t length) {
    (void)length;
    sandbox_write(path, bytes, 0);
}
static void cut_header(const char *path, char *bytes, size_t length) {
    (void)length;
    sandbox_write(path, bytes, 31);
}
static void cut_key(const char *path, char *bytes, size_t length) {
    (void)length;
    sandbox_write(path, bytes, 60);
}
static void cut_last(const char *path, char *bytes, size_t length) {
    sandbox_write(path, bytes, length - 1);
}
static void lengthen(const char *path, char *bytes, size_t length) {
    sandbox_write(path, bytes, length + 1); /* lbk_file_read() ends with a NUL */
}
static void flip_magic(const char *path, char *bytes, size_t length) {
    bytes[3] ^= 1;
    sandbox_write(path, bytes, length);
}
static void flip_version(const char *path, char *bytes, size_t length) {
    bytes[8] ^= 0x40;
    sandbox_write(path, bytes, length);
}
static void flip_key_length(const char *path, char *bytes, size_t length) {
    bytes[15] ^= 0x40;
    sandbox_write(path, bytes, length);
}
static void flip_payload_length(const char *path, char *bytes, size_t length) {
    bytes[23] ^= (char)0x80;
    sandbox_write(path, bytes, length);
}
static void flip_key(const char *path, char *bytes, size_t length) {
    bytes[40] ^= 1;
    sandbox_write(path, bytes, length);
}
static void flip_payload(const char *path, char *bytes, size_t length) {
    bytes[length - 100] ^= 0x10;
    sandbox_write(path, bytes, length);
}
static void rubbish(const char *path, char *bytes, size_t length) {
    memset(bytes, 0xA5, length);
    sandbox_write(path, bytes, length);
}
static void folder_in_its_place(const char *path, char *bytes, size_t length) {
    (void)bytes;
    (void)length;
    cr_assert_eq(remove(path), 0);
    cr_assert_eq(mkdir(path, 0700), 0);
}

Test(cache, damaged_entries_are_rebuilt) {
    expect_built();
    damaged(empty, "not a program file");
    damaged(cut_header, "not a program file");
    damaged(cut_key, "damaged: 60 bytes do not match its header");
    damaged(cut_last, "do not match its header");
    damaged(lengthen, "do not match its header");
    damaged(flip_magic, "not a program file");
    damaged(flip_version, "format version 65, this build reads 1");
    damaged(flip_key_length, "do not match its header");
    damaged(flip_payload_length, "do not match its header");
    damaged(flip_key, "it is another program's");
    damaged(flip_payload, "damaged: wrong checksum");
    damaged(rubbish, "not a program file");
}

Test(cache, folder_in_place_of_an_entry_is_only_logged) {
    expect_built();
    char *path = sandbox_cache_entry();
    folder_in_its_place(path, NULL, 0);
    sandbox_log_clear();
    expect_built();
    cr_expect(strstr(sandbox_log(), "; it is built again\n") != NULL, "%s", sandbox_log());
    cr_expect(strstr(sandbox_log(), "; the program is not kept\n") != NULL, "%s", sandbox_log());
    cr_assert_eq(rmdir(path), 0);
    free(path);
}

/* FNV-1a, so that the checksum of a made-up payload is right. */
static uint64_t checksum(const unsigned char *bytes, size_t length) {
    uint64_t hash = 14695981039346656037ull;
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ bytes[i]) * 1099511628211ull;
    return hash;
}

/* A payload that is whole for us, but no program for the driver. */
static void refused_by_driver(const char *path, char *bytes, size_t length) {
    size_t key_length = (size_t)(unsigned char)bytes[12] | (size_t)(unsigned char)bytes[13] << 8;
    unsigned char *payload = (unsigned char *)bytes + 32 + key_length;
    size_t payload_length = length - 32 - key_length;
    memset(payload, 'x', payload_length);
    uint64_t sum = checksum(payload, payload_length);
    for (int i = 0; i < 8; i++)
        bytes[24 + i] = (char)(sum >> (8 * i));
    sandbox_write(path, bytes, length);
}

Test(cache, entry_refused_by_the_driver_is_rebuilt) {
    expect_built();
    damaged(refused_by_driver, ".bin: cl");
}

Test(cache, other_sources_and_options_are_other_entries) {
    const lbk_program_request requests[] = {
        {"test/scale", "-DFACTOR=1"}, {"test/scale", "-DFACTOR=1 "}, {"test/reverse", "-DFACTOR=1"}};
    for (int i = 0; i < 3; i++) { /* a context each: within one, storing is held to a share of the time */
        lbk_device *device = sandbox_open("0.0", NULL);
        cl_program program = NULL;
        OK(lbk_program_get(device, requests[i].file, requests[i].options, &program));
        cr_expect_eq(lbk_device_build_stats(device).built, 1);
        cr_expect_eq(sandbox_cache_count(".bin"), i + 1);
        lbk_device_close(device);
    }
}

Test(cache, unusable_folder_is_only_logged) {
    sandbox_write(sandbox_path("file"), "x", 1);
    setenv("LIMBECK_CACHE", sandbox_path("file/below"), 1);
    expect_built();
    cr_expect(strstr(sandbox_log(), "; programs are not kept\n") != NULL, "%s", sandbox_log());
    expect_built();
}

Test(cache, read_only_folder_is_only_logged) {
    if (geteuid() == 0)
        cr_skip_test("root may write anywhere");
    OK(lbk_path_make_folder(sandbox_path("cache/programs")));
    cr_assert_eq(chmod(sandbox_path("cache/programs"), 0500), 0);
    expect_built();
    cr_expect(strstr(sandbox_log(), "; the program is not kept\n") != NULL, "%s", sandbox_log());
    expect_built();
}

typedef struct child {
    pid_t pid;
    int out;
} child;

/* Starts device_tool_cache; this process must not have started OpenCL. */
static child start(const char *options) {
    char *arguments[] = {(char *)DEVICE_TOOL_CACHE, (char *)options, NULL};
    posix_spawn_file_actions_t actions;
    int ends[2];
    child c = {0};
    cr_assert_eq(pipe(ends), 0);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    posix_spawn_file_actions_addclose(&actions, ends[0]);
    cr_assert_eq(posix_spawn(&c.pid, arguments[0], &actions, NULL, arguments, environ), 0);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    c.out = ends[0];
    return c;
}

/* Waits for it; 1 when it loaded the program from disk, 0 when it built it. */
static int finish(child c) {
    char text[64] = "";
    int status = 0;
    ssize_t length = read(c.out, text, sizeof text - 1);
    close(c.out);
    cr_assert_eq(waitpid(c.pid, &status, 0), c.pid);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child failed");
    cr_assert(length > 0);
    cr_assert(strcmp(text, "disk\n") == 0 || strcmp(text, "built\n") == 0, "%s", text);
    return text[0] == 'd';
}

Test(cache, processes_share_it) {
    child children[6];
    cr_expect_eq(finish(start("-DFACTOR=5")), 0);
    cr_expect_eq(finish(start("-DFACTOR=5")), 1);
    /* Six at once, of two kinds, nothing there yet: each gets its program, and what is left is whole. */
    for (int i = 0; i < 6; i++)
        children[i] = start(i % 2 ? "-DFACTOR=6" : "-DFACTOR=7");
    for (int i = 0; i < 6; i++)
        finish(children[i]);
    cr_expect_eq(sandbox_cache_count(".bin"), 3, "no temporary file is left");
    cr_expect_eq(finish(start("-DFACTOR=6")), 1);
    cr_expect_eq(finish(start("-DFACTOR=7")), 1);
}
