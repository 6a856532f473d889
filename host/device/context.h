/* What host/device's own files share; no other folder includes this.
 *
 * A context holds the devices of one platform that were opened together. A *target* is what a program is built for: one
 * cl_device_id with one prebuilt folder and one answer to "is there a compiler". Devices opened from equal specs share
 * a target, hence its programs. Targets and programs live as long as the context. */
#ifndef LBK_DEVICE_CONTEXT_H
#define LBK_DEVICE_CONTEXT_H

#include "device/device.h"
#include "device/program.h"

#include <pthread.h>

#define LBK_BUILD_THREADS 2

typedef struct lbk_target {
    struct lbk_target *next;
    lbk_device_context *context;
    cl_device_id id;
    bool compiler;
    char *prebuilt; /* folder or NULL */
    char label[64];
    lbk_device_info info;
    /* Whether the compiler takes -cl-std=CL1.2; learnt from the first build (build.c). */
    enum { LBK_STD_UNKNOWN, LBK_STD_TAKEN, LBK_STD_REFUSED } std;
} lbk_target;

typedef enum lbk_program_state {
    LBK_PROGRAM_QUEUED, /* by lbk_program_prepare(); nobody is on it */
    LBK_PROGRAM_BUILDING,
    LBK_PROGRAM_READY,
    LBK_PROGRAM_FAILED, /* tried again by the next call that wants it */
} lbk_program_state;

typedef struct lbk_program_entry {
    struct lbk_program_entry *next;
    lbk_target *target;
    char *file, *options;
    lbk_program_state state;
    cl_program program;
    lbk_status failure; /* of FAILED, with its message (may be NULL) */
    char *message;
} lbk_program_entry;

struct lbk_device_context {
    cl_context cl;
    int references; /* of opened devices; under `lock` */
    lbk_target *targets;
    pthread_mutex_t lock;   /* guards all below and targets' `std` */
    pthread_cond_t changed; /* an entry changed its state, or `stopping` was set */
    lbk_program_entry *programs;
    lbk_build_stats stats;
    bool store_held; /* an entry of the disk cache is being stored, or one was too dear */
    pthread_t threads[LBK_BUILD_THREADS];
    int thread_count;
    bool stopping;
};

lbk_class lbk_class_choose(const lbk_caps *caps);

/* context.c */
/* One reference, released with lbk_device_context_release(). */
lbk_status lbk_device_context_create(cl_platform_id platform, const cl_device_id *ids, size_t count,
                                     lbk_device_context **out);
/* The last reference stops the threads and releases programs, targets and the cl_context. */
void lbk_device_context_release(lbk_device_context *context);
void lbk_device_context_retain(lbk_device_context *context);
/* Finds or makes the target of the device; `prebuilt` may be NULL. */
lbk_status lbk_device_context_target(lbk_device_context *context, const lbk_device *device, const char *prebuilt,
                                     lbk_target **out);

/* split.c: part spec->part of the split that `spec` asks of the device `whole`; lives as long as the process. */
lbk_status lbk_split_part(cl_device_id whole, const lbk_device_spec *spec, cl_device_id *out);

/* kernel_source.c. Like lbk_kernel_source(), with the reason when there is none. */
lbk_status lbk_kernel_source_get(const char *file, const char **out);

/* build.c: compiles or loads one program; no lock held. */
lbk_status lbk_program_build(lbk_target *target, const char *file, const char *options, cl_program *out);

/* cache.c: program binaries in files. */
typedef struct lbk_binary {
    unsigned char *bytes; /* free() it */
    size_t length;
} lbk_binary;
typedef struct lbk_cache_key {
    lbk_text text; /* what is compared in full */
    char name[32]; /* "<16 hex digits>.bin" */
} lbk_cache_key;
lbk_status lbk_cache_key_make(const lbk_target *target, const char *file, const char *options, const char *source,
                              lbk_cache_key *out);
void lbk_cache_key_release(lbk_cache_key *key);
/* *found false and LBK_OK: no such file. An error: there is a file, but damaged, unreadable or of another key. */
lbk_status lbk_cache_load(const char *folder, const lbk_cache_key *key, bool *found, lbk_binary *out);
lbk_status lbk_cache_store(const char *folder, const lbk_cache_key *key, const lbk_binary *binary);
/* The key text of an entry file, checked like lbk_cache_load() does (for the index). free() it. */
lbk_status lbk_cache_read_key(const char *path, char **key_text);
/* <cache>/programs, made if absent; free() it. */
lbk_status lbk_cache_folder(char **out);

/* build.c */
lbk_status lbk_program_binary(const lbk_target *target, cl_program program, lbk_binary *out);

#endif
