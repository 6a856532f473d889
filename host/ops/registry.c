/* The table of all ops, from registry.def, and the reading of their parameters. */
#include "ops/op.h"

#include <ctype.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define LBK_OP(name) extern const lbk_op *const lbk_ops_##name[];
#include "ops/registry.def"
#undef LBK_OP

#define LBK_OP(name) lbk_ops_##name,
static const lbk_op *const *const op_files[] = {
#include "ops/registry.def"
    NULL};
#undef LBK_OP

#define MAX_OPS 512
static const lbk_op *op_table[MAX_OPS + 1];
static pthread_once_t op_table_once = PTHREAD_ONCE_INIT;

/* More than MAX_OPS ops cannot pass unseen: the registry test looks every op of every file up. */
static void op_table_fill(void) {
    size_t count = 0;
    for (size_t f = 0; op_files[f] != NULL; f++)
        for (size_t i = 0; op_files[f][i] != NULL && count < MAX_OPS; i++)
            op_table[count++] = op_files[f][i];
}

const lbk_op *const *lbk_op_all(void) {
    pthread_once(&op_table_once, op_table_fill);
    return op_table;
}

const lbk_op *lbk_op_find(const char *name) {
    for (const lbk_op *const *op = lbk_op_all(); *op != NULL; op++)
        if (strcmp((*op)->name, name) == 0)
            return *op;
    return NULL;
}

#define MAX_PARAMS 32

static lbk_status param_unknown(const lbk_op *op, const char *key) {
    const char *names[MAX_PARAMS];
    size_t count = 0;
    for (const lbk_param *p = op->params; p != NULL && p->name != NULL && count < MAX_PARAMS; p++)
        names[count++] = p->name;
    const char *near = lbk_nearest(key, names, count);
    if (count == 0)
        return lbk_fail(LBK_ERR_INPUT, "%s: unknown parameter '%s': this op has none", op->name, key);
    if (near == NULL)
        return lbk_fail(LBK_ERR_INPUT, "%s: unknown parameter '%s'", op->name, key);
    return lbk_fail(LBK_ERR_INPUT, "%s: unknown parameter '%s'; did you mean '%s'?", op->name, key, near);
}

/* One "key=value"; `word` is cut in two. seen[] is indexed like the table. */
static lbk_status param_word(const lbk_op *op, char *word, lbk_arena *arena, void *values, bool *seen) {
    char *equals = strchr(word, '=');
    if (equals == NULL)
        return lbk_fail(LBK_ERR_INPUT, "%s: expected key=value, found '%s'", op->name, word);
    *equals = '\0';
    const lbk_param *param = op->params == NULL ? NULL : lbk_param_find(op->params, word);
    if (param == NULL)
        return param_unknown(op, word);
    if (seen[param - op->params])
        return lbk_fail(LBK_ERR_INPUT, "%s: parameter '%s' given twice", op->name, word);
    seen[param - op->params] = true;
    return lbk_context(lbk_param_set(param, equals + 1, arena, values), "%s", op->name);
}

static lbk_status param_words(const lbk_op *op, char *text, lbk_arena *arena, void *values, bool *seen) {
    char *at = text;
    while (*at != '\0') {
        if (isspace((unsigned char)*at)) {
            at++;
            continue;
        }
        char *end = at;
        while (*end != '\0' && !isspace((unsigned char)*end))
            end++;
        bool last = *end == '\0';
        *end = '\0';
        LBK_TRY(param_word(op, at, arena, values, seen));
        at = last ? end : end + 1;
    }
    return LBK_OK;
}

lbk_status lbk_op_params_parse(const lbk_op *op, const char *text, lbk_arena *arena, void *values) {
    bool seen[MAX_PARAMS] = {false};
    if (op->params != NULL) {
        memset(values, 0, op->params_size);
        LBK_TRY(lbk_context(lbk_param_defaults(op->params, arena, values), "%s", op->name));
    }
    char *copy = NULL;
    LBK_TRY(lbk_strdup(text == NULL ? "" : text, &copy));
    lbk_status status = param_words(op, copy, arena, values, seen);
    free(copy);
    LBK_TRY(status);
    for (const lbk_param *p = op->params; p != NULL && p->name != NULL; p++)
        if (p->fallback == NULL && !seen[p - op->params])
            return lbk_fail(LBK_ERR_INPUT, "%s: parameter '%s' is required: %s", op->name, p->name, p->meaning);
    return LBK_OK;
}
