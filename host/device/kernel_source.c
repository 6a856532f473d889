/* Kernel sources: embedded, or from the folder $LIMBECK_KERNELS names; alone, or several joined. */
#include "base/file.h"
#include "base/log.h"
#include "device/context.h"
#include "device/embedded.h"

#include <stdlib.h>
#include <string.h>

/* Files read from $LIMBECK_KERNELS: read once per process, kept to its end (callers hold the text). */
typedef struct override_file {
    struct override_file *next;
    char *file, *source; /* source NULL: the folder has no such file */
} override_file;

static pthread_mutex_t overrides_lock = PTHREAD_MUTEX_INITIALIZER;
static override_file *overrides;

static const char *embedded_source(const char *file) {
    for (const lbk_embedded_kernel *kernel = lbk_embedded_kernels; kernel->name; kernel++)
        if (strcmp(kernel->name, file) == 0)
            return kernel->source;
    return NULL;
}

static lbk_status read_override(const char *folder, const char *file, char **source) {
    lbk_text name = {0};
    char *path = NULL;
    size_t length = 0;
    lbk_status status = LBK_OK;
    *source = NULL;
    if (!lbk_path_is_folder(folder))
        return lbk_fail(LBK_ERR_INPUT, "$LIMBECK_KERNELS: \"%s\" is not a folder", folder);
    LBK_GOTO(lbk_text_printf(&name, "%s.cl", file));
    LBK_GOTO(lbk_path_join(folder, name.data, &path));
    if (!lbk_path_exists(path))
        goto out; /* a folder may replace some kernels only */
    status = lbk_context(lbk_file_read(path, source, &length), "$LIMBECK_KERNELS");
    if (status == LBK_OK)
        lbk_log(LBK_LOG_INFO, "kernel %s is taken from %s", file, path);
out:
    free(path);
    lbk_text_release(&name);
    return status;
}

/* Call with the lock held. */
static lbk_status find_override(const char *folder, const char *file, const char **source) {
    override_file *found = overrides;
    while (found && strcmp(found->file, file) != 0)
        found = found->next;
    if (!found) {
        char *text = NULL;
        LBK_TRY(read_override(folder, file, &text));
        lbk_status status = lbk_calloc(1, sizeof *found, &found);
        if (status == LBK_OK)
            status = lbk_strdup(file, &found->file);
        if (status != LBK_OK) {
            free(text);
            free(found);
            return status;
        }
        found->source = text;
        found->next = overrides;
        overrides = found;
    }
    *source = found->source;
    return LBK_OK;
}

static lbk_status get_one(const char *file, const char **out) {
    const char *folder = getenv("LIMBECK_KERNELS");
    *out = NULL;
    if (folder && *folder) {
        pthread_mutex_lock(&overrides_lock);
        lbk_status status = find_override(folder, file, out);
        pthread_mutex_unlock(&overrides_lock);
        LBK_TRY(status);
    }
    if (!*out)
        *out = embedded_source(file);
    return *out ? LBK_OK : lbk_fail(LBK_ERR_INTERNAL, "there is no kernel file \"%s\"", file);
}

/* Joined texts: kept like those above. */
typedef struct joined_file {
    struct joined_file *next;
    char *file, *source;
} joined_file;

static pthread_mutex_t joined_lock = PTHREAD_MUTEX_INITIALIZER;
static joined_file *joined;

static lbk_status append_source(lbk_text *text, const char *file, size_t length) {
    char name[64];
    const char *source = NULL;
    LBK_ENSURE(length < sizeof name);
    memcpy(name, file, length);
    name[length] = '\0';
    LBK_TRY(get_one(name, &source));
    return lbk_text_append(text, source, strlen(source));
}

static lbk_status join(const char *file, joined_file *out) {
    lbk_text text = {0};
    lbk_status status = LBK_OK;
    for (const char *at = file, *end = at; status == LBK_OK && *end; at = end + 1) {
        end = at + strcspn(at, "+");
        status = append_source(&text, at, (size_t)(end - at));
    }
    if (status == LBK_OK)
        status = lbk_strdup(file, &out->file);
    if (status == LBK_OK)
        out->source = text.data;
    else
        lbk_text_release(&text);
    return status;
}

/* Call with the lock held. */
static lbk_status get_joined(const char *file, const char **out) {
    joined_file *found = joined;
    while (found && strcmp(found->file, file) != 0)
        found = found->next;
    if (!found) {
        LBK_TRY(lbk_calloc(1, sizeof *found, &found));
        lbk_status status = join(file, found);
        if (status != LBK_OK) {
            free(found);
            return status;
        }
        found->next = joined;
        joined = found;
    }
    *out = found->source;
    return LBK_OK;
}

lbk_status lbk_kernel_source_get(const char *file, const char **out) {
    *out = NULL;
    if (!strchr(file, '+'))
        return get_one(file, out);
    pthread_mutex_lock(&joined_lock);
    lbk_status status = get_joined(file, out);
    pthread_mutex_unlock(&joined_lock);
    return status;
}

const char *lbk_kernel_source(const char *file) {
    const char *source = NULL;
    return lbk_kernel_source_get(file, &source) == LBK_OK ? source : NULL;
}

static const char **embedded_names;
static const char *const no_names[] = {NULL};

static void list_names(void) {
    size_t count = 0;
    while (lbk_embedded_kernels[count].name)
        count++;
    if (lbk_calloc(count + 1, sizeof *embedded_names, &embedded_names) != LBK_OK)
        return;
    for (size_t i = 0; i < count; i++)
        embedded_names[i] = lbk_embedded_kernels[i].name;
}

const char *const *lbk_kernel_files(void) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, list_names);
    return embedded_names ? embedded_names : no_names;
}
