#include "base/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

static lbk_log_sink sink, copy;
static void *sink_context, *copy_context;
static lbk_log_level lowest;

void lbk_log_set(lbk_log_sink new_sink, void *context, lbk_log_level level) {
    sink = new_sink;
    sink_context = context;
    lowest = level;
}

void lbk_log_copy(lbk_log_sink new_copy, void *context) {
    copy = new_copy;
    copy_context = context;
}

void lbk_log(lbk_log_level level, const char *fmt, ...) {
    bool shown = sink && level >= lowest, copied = copy && level > LBK_LOG_DEBUG;
    if (!shown && !copied)
        return;
    char line[1024], *longer = NULL;
    va_list args;
    va_start(args, fmt);
    int length = vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    if (length >= (int)sizeof line && (longer = malloc((size_t)length + 1)) != NULL) {
        va_start(args, fmt);
        vsnprintf(longer, (size_t)length + 1, fmt, args);
        va_end(args);
    }
    if (length >= 0 && shown)
        sink(sink_context, level, longer ? longer : line);
    if (length >= 0 && copied)
        copy(copy_context, level, longer ? longer : line);
    free(longer);
}
