/* The values of a model's parameters: what the user set, else the file's defaults. */
#include "model/build.h"

#include <stdlib.h>
#include <string.h>

#define MAX_WORDS LBK_SCOPE_MAX

typedef struct overrides {
    char *text; /* cut into words */
    const char *key[MAX_WORDS], *value[MAX_WORDS];
    int count;
} overrides;

const int *lbk_model_data_number(const lbk_model_use *use, const char *name) {
    static const lbk_model_use none = {.batch = 0};
    const lbk_model_use *from = use ? use : &none;
    return strcmp(name, "classes") == 0        ? &from->classes
           : strcmp(name, "image_height") == 0 ? &from->height
           : strcmp(name, "image_width") == 0  ? &from->width
                                               : NULL;
}

/* "data:64": the data's size of this name; NULL: it has none, or is not asked. */
static const int *size_find(const lbk_model_use *use, const lbk_model_parameter *p) {
    if (lbk_model_expression(p->text) == p->text)
        return NULL;
    for (int i = 0; i < use->size_count; i++)
        if (strcmp(use->sizes[i].name, p->name) == 0)
            return &use->sizes[i].value;
    return NULL;
}

static lbk_status override_name_check(const lbk_model *model, const overrides *all, const char *key) {
    const char *names[LBK_SCOPE_MAX];
    for (size_t i = 0; i < model->parameter_count; i++) {
        names[i] = model->parameters[i].name;
        if (strcmp(names[i], key) == 0)
            goto known;
    }
    if (model->parameter_count == 0)
        return lbk_fail(LBK_ERR_INPUT, "model %s: unknown parameter \"%s\": it has none", model->name, key);
    const char *near = lbk_nearest(key, names, model->parameter_count);
    return near ? lbk_fail(LBK_ERR_INPUT, "model %s: unknown parameter \"%s\"; did you mean \"%s\"?", model->name, key,
                           near)
                : lbk_fail(LBK_ERR_INPUT, "model %s: unknown parameter \"%s\"", model->name, key);
known:
    for (int i = 0; i < all->count; i++)
        if (strcmp(all->key[i], key) == 0)
            return lbk_fail(LBK_ERR_INPUT, "model %s: parameter \"%s\" is set twice", model->name, key);
    return LBK_OK;
}

/* "width=32 n=2" */
static lbk_status overrides_parse(const lbk_model *model, const char *text, overrides *all) {
    char *rest = NULL;
    LBK_TRY(lbk_strdup(text, &all->text));
    for (char *word = strtok_r(all->text, " \t", &rest); word; word = strtok_r(NULL, " \t", &rest)) {
        char *equals = strchr(word, '=');
        if (!equals || !equals[1])
            return lbk_fail(LBK_ERR_INPUT, "model %s: expected parameter=value, found \"%s\"", model->name, word);
        *equals = '\0';
        LBK_TRY(override_name_check(model, all, word));
        all->key[all->count] = word;
        all->value[all->count++] = equals + 1;
    }
    return LBK_OK;
}

static lbk_status parameter_eval(const lbk_model *model, const lbk_model_parameter *p, const overrides *all,
                                 const lbk_model_use *use, lbk_scope *scope) {
    lbk_model_parameter own = *p;
    long long value = 0;
    bool set = false;
    for (int i = 0; i < all->count; i++)
        if (strcmp(all->key[i], p->name) == 0) {
            own.text = all->value[i];
            set = true;
        }
    if (lbk_model_parameter_is_data(&own)) {
        const int *number = lbk_model_data_number(use, p->name);
        if (!number)
            return lbk_fail(LBK_ERR_INPUT, "model %s: %s=data: " LBK_DATA_EXPECTED, model->name, p->name);
        return lbk_scope_set(scope, p->name, *number);
    }
    const int *size = size_find(use, &own);
    if (size)
        return lbk_scope_set(scope, p->name, *size);
    lbk_status status = lbk_scope_eval(scope, lbk_model_expression(own.text), &value);
    if (set)
        LBK_TRY(lbk_context(status, "model %s: %s", model->name, p->name));
    LBK_TRY(lbk_context(status, "%s:%d: [parameters] %s", p->path, p->line, p->name));
    return lbk_scope_set(scope, p->name, value);
}

lbk_status lbk_build_parameters(const lbk_model *model, const lbk_model_use *use, lbk_scope *scope) {
    overrides all = {0};
    lbk_status status = LBK_OK;
    LBK_GOTO(overrides_parse(model, use->overrides ? use->overrides : "", &all));
    for (size_t i = 0; i < model->parameter_count; i++)
        LBK_GOTO(parameter_eval(model, &model->parameters[i], &all, use, scope));
out:
    free(all.text);
    return status;
}

lbk_status lbk_model_parameter_value(const lbk_model *model, const lbk_model_use *use, const char *name, bool *found,
                                     long long *out) {
    lbk_scope scope = {.count = 0};
    *found = false;
    LBK_TRY(lbk_build_parameters(model, use, &scope));
    for (size_t i = 0; i < scope.count; i++)
        if (strcmp(scope.names[i], name) == 0) {
            *found = true;
            *out = scope.values[i];
        }
    return LBK_OK;
}
