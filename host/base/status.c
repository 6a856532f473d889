#include "base/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { MESSAGE_BYTES = 4096 };

static _Thread_local char message[MESSAGE_BYTES];

/* Replaces the message by `text`, marking one that did not fit. */
static void message_store(const char *text, size_t needed) {
    memcpy(message, text, needed < MESSAGE_BYTES ? needed + 1 : MESSAGE_BYTES);
    if (needed >= MESSAGE_BYTES)
        memcpy(message + MESSAGE_BYTES - 4, "...", 4);
}

/* Arguments may point into the current message, so it is formatted beside it first. */
lbk_status lbk_fail(lbk_status code, const char *fmt, ...) {
    char text[MESSAGE_BYTES];
    va_list args;
    va_start(args, fmt);
    int needed = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    message_store(needed < 0 ? "" : text, needed < 0 ? 0 : (size_t)needed);
    return code;
}

lbk_status lbk_context(lbk_status code, const char *fmt, ...) {
    if (code == LBK_OK)
        return code;
    char text[2 * MESSAGE_BYTES];
    va_list args;
    va_start(args, fmt);
    int used = vsnprintf(text, MESSAGE_BYTES, fmt, args);
    va_end(args);
    if (used < 0)
        return code;
    if (used >= MESSAGE_BYTES)
        used = MESSAGE_BYTES - 1;
    int rest = snprintf(text + used, sizeof text - (size_t)used, ": %s", message);
    message_store(text, (size_t)used + (size_t)(rest > 0 ? rest : 0));
    return code;
}

const char *lbk_error_message(void) {
    return message;
}

void lbk_error_clear(void) {
    message[0] = '\0';
}

static const struct {
    const char *name;
    int exit_code;
} codes[] = {
    [LBK_OK] = {"ok", 0},
    [LBK_ERR_INPUT] = {"input error", 2},
    [LBK_ERR_IO] = {"file error", 3},
    [LBK_ERR_DEVICE] = {"device error", 4},
    [LBK_ERR_MEMORY] = {"out of memory", 5},
    [LBK_ERR_UNSUPPORTED] = {"unsupported", 6},
    [LBK_ERR_INTERRUPTED] = {"interrupted", 130},
    [LBK_ERR_INTERNAL] = {"internal error", 70},
};

const char *lbk_status_name(lbk_status code) {
    return (size_t)code < sizeof codes / sizeof codes[0] ? codes[code].name : "unknown error";
}

int lbk_status_exit_code(lbk_status code) {
    return (size_t)code < sizeof codes / sizeof codes[0] ? codes[code].exit_code : 70;
}
