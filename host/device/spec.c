/* The user's words for a device or a part of one. */
#include "base/memory.h"
#include "base/param.h"
#include "device/context.h"
#include "device/device.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The spec cut at its last '/': "0.1/2 of 4" is head "0.1", part 2, parts 4. parts 0: no '/'. */
typedef struct spec_words {
    char head[160];
    long long part, parts;
} spec_words;

static lbk_status list_line(const lbk_device_info *info, lbk_text *out) {
    return lbk_text_printf(out, "\n  %d.%d %s (%s, class %s, %u compute unit%s)", info->platform_index,
                           info->device_index, info->name, info->platform_name, lbk_class_name(info->caps.cls),
                           info->caps.compute_units, info->caps.compute_units == 1 ? "" : "s");
}

/* `what`, then the devices whose bit in `only` is set (NULL: all) and what could not be listed. */
static lbk_status fail_with_list(const lbk_device_list *list, const bool *only, const char *what) {
    lbk_text text = {0};
    lbk_status status = LBK_OK;
    for (size_t i = 0; i < list->count && status == LBK_OK; i++)
        if (!only || only[i])
            status = list_line(&list->items[i], &text);
    if (status == LBK_OK && list->count == 0)
        status = lbk_text_printf(&text, " no OpenCL device at all");
    if (status == LBK_OK && list->problem[0])
        status = lbk_text_printf(&text, "\n  (%s)", list->problem);
    if (status == LBK_OK)
        status = lbk_fail(LBK_ERR_INPUT, "%s%s", what, text.data);
    lbk_text_release(&text);
    return status;
}

/* Trims `text` into out; false when it does not fit. */
static bool copy_trimmed(const char *text, size_t length, char *out, size_t size) {
    while (length && isspace((unsigned char)*text)) {
        text++;
        length--;
    }
    while (length && isspace((unsigned char)text[length - 1]))
        length--;
    if (length >= size)
        return false;
    memcpy(out, text, length);
    out[length] = '\0';
    return true;
}

/* "K of N" with 1 <= K <= N. */
static bool parse_part(const char *text, long long *part, long long *parts) {
    char first[24], second[24];
    const char *of = strstr(text, "of");
    return of && copy_trimmed(text, (size_t)(of - text), first, sizeof first) &&
           copy_trimmed(of + 2, strlen(of + 2), second, sizeof second) && lbk_parse_int(first, part) &&
           lbk_parse_int(second, parts) && *part >= 1 && *part <= *parts;
}

static lbk_status split_words(const char *text, spec_words *out) {
    const char *slash = strrchr(text, '/');
    size_t length = slash ? (size_t)(slash - text) : strlen(text);
    memset(out, 0, sizeof *out);
    if (slash && !parse_part(slash + 1, &out->part, &out->parts))
        return lbk_fail(LBK_ERR_INPUT,
                        "device \"%s\": cannot read \"%s\"; a part is written K of N with 1 <= K <= N, e.g. 0.0/1 of 2",
                        text, slash + 1);
    if (!copy_trimmed(text, length, out->head, sizeof out->head) || !out->head[0])
        return lbk_fail(
            LBK_ERR_INPUT,
            "device \"%.200s\": expected cpu, gpu, accelerator, P.D, part of a device's name, or one of these "
            "followed by /K of N",
            text);
    return LBK_OK;
}

/* Index of the device written "P.D", -1 when `head` is not of that form, -2 when it is but there is none such. */
static int find_number(const lbk_device_list *list, const char *head) {
    char first[24];
    long long platform = 0, device = 0;
    const char *dot = strchr(head, '.');
    if (!dot || !copy_trimmed(head, (size_t)(dot - head), first, sizeof first) || !lbk_parse_int(first, &platform) ||
        !lbk_parse_int(dot + 1, &device))
        return -1;
    for (size_t i = 0; i < list->count; i++)
        if (list->items[i].platform_index == platform && list->items[i].device_index == device)
            return (int)i;
    return -2;
}

static cl_device_type type_word(const char *head) {
    if (strcasecmp(head, "cpu") == 0)
        return CL_DEVICE_TYPE_CPU;
    if (strcasecmp(head, "gpu") == 0)
        return CL_DEVICE_TYPE_GPU;
    if (strcasecmp(head, "accelerator") == 0)
        return CL_DEVICE_TYPE_ACCELERATOR;
    return 0;
}

/* The first device of the type, those that run kernels of their own class before generic ones; -1 when there is none.
 */
static int find_type(const lbk_device_list *list, cl_device_type type) {
    int found = -1;
    for (size_t i = 0; i < list->count; i++) {
        if (!(list->items[i].caps.type & type))
            continue;
        if (list->items[i].caps.cls != LBK_CLASS_GENERIC)
            return (int)i;
        if (found < 0)
            found = (int)i;
    }
    return found;
}

static bool contains_nocase(const char *text, const char *word) {
    size_t length = strlen(word);
    for (; *text; text++)
        if (strncasecmp(text, word, length) == 0)
            return true;
    return false;
}

static lbk_status find_name(const lbk_device_list *list, const char *text, const char *head, int *out) {
    size_t matches = 0;
    bool *matched = NULL;
    lbk_text what = {0};
    lbk_status status = LBK_OK;
    LBK_GOTO(lbk_calloc(list->count, sizeof *matched, &matched));
    for (size_t i = 0; i < list->count; i++) {
        matched[i] = contains_nocase(list->items[i].name, head);
        if (matched[i]) {
            *out = (int)i;
            matches++;
        }
    }
    if (matches == 1)
        goto out;
    if (matches > 1)
        LBK_GOTO(lbk_text_printf(&what, "device \"%s\" is the name of %zu devices; say which by its number:", text,
                                 matches));
    else
        LBK_GOTO(lbk_text_printf(&what, "no device has \"%s\" in its name; there is:", head));
    status = fail_with_list(list, matches ? matched : NULL, what.data);
out:
    lbk_text_release(&what);
    free(matched);
    return status;
}

static lbk_status find_device(const lbk_device_list *list, const char *text, const char *head, int *out) {
    lbk_text what = {0};
    cl_device_type type = type_word(head);
    int found = type ? find_type(list, type) : find_number(list, head);
    if (strcasecmp(head, "auto") == 0)
        return lbk_fail(LBK_ERR_INPUT, "device \"auto\": the placement chooses devices by itself; name one here");
    if (found >= 0) {
        *out = found;
        return LBK_OK;
    }
    if (!type && found == -1)
        return find_name(list, text, head, out);
    lbk_status status = type ? lbk_text_printf(&what, "no device of type %s; there is:", head)
                             : lbk_text_printf(&what, "no device %s; there is:", head);
    if (status == LBK_OK)
        status = fail_with_list(list, NULL, what.data);
    lbk_text_release(&what);
    return status;
}

static lbk_status set_parts(const lbk_device_info *info, const char *text, const spec_words *words,
                            lbk_device_spec *out) {
    uint32_t units = info->caps.compute_units;
    if (units < 2)
        return lbk_fail(LBK_ERR_INPUT, "device \"%s\": %d.%d has one compute unit and cannot be split", text,
                        info->platform_index, info->device_index);
    if (info->caps.max_sub_devices < 2)
        return lbk_fail(LBK_ERR_INPUT, "device \"%s\": %d.%d (%s) cannot be split by its driver", text,
                        info->platform_index, info->device_index, info->name);
    uint32_t most = units < info->caps.max_sub_devices ? units : info->caps.max_sub_devices;
    most = most < LBK_MAX_PARTS ? most : LBK_MAX_PARTS;
    if (words->parts > most)
        return lbk_fail(LBK_ERR_INPUT,
                        "device \"%s\": %d.%d has %u compute units and can be split into at most %u parts", text,
                        info->platform_index, info->device_index, units, most);
    out->parts = (int)words->parts;
    out->part = (int)words->part - 1;
    for (int i = 0; i < out->parts; i++)
        out->counts[i] = units / (uint32_t)out->parts + ((uint32_t)i < units % (uint32_t)out->parts);
    return LBK_OK;
}

lbk_status lbk_device_spec_parse(const lbk_device_list *list, const char *text, lbk_device_spec *out) {
    spec_words words;
    memset(out, 0, sizeof *out);
    LBK_TRY(split_words(text, &words));
    LBK_TRY(find_device(list, text, words.head, &out->info));
    /* "1 of 1" is the whole device, also where it cannot be split. */
    return words.parts > 1 ? set_parts(&list->items[out->info], text, &words, out) : LBK_OK;
}
