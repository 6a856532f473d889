/* What a teacher's outputs depend on, as text, and the file that goes with it. */
#include "train/teacher_cache.h"

#include "base/file.h"
#include "base/hash.h"

#include <stdlib.h>
#include <string.h>

static lbk_status hash_entry(const lbk_weights *w, const lbk_weights_entry *e, uint64_t *hash) {
    void *copy = NULL;
    size_t bytes = (size_t)lbk_shape_count(&e->shape) * sizeof(float);
    LBK_TRY(lbk_calloc(bytes, 1, &copy));
    lbk_status status =
        lbk_buffer_read(w->device, e->kind == LBK_VALUE_PARAM ? w->params : w->states, e->offset, copy, bytes);
    *hash = lbk_hash_bytes(*hash, copy, bytes);
    free(copy);
    return status;
}

/* Names and numbers of the network as they lie on the device; what served its training alone is not read when it teaches. */
static lbk_status hash_weights(const lbk_weights *w, uint64_t *hash) {
    *hash = LBK_HASH_START;
    for (size_t i = 0; i < w->count; i++)
        if (!w->entries[i].auxiliary) {
            *hash = lbk_hash_text(*hash, w->entries[i].name);
            LBK_TRY(hash_entry(w, &w->entries[i], hash));
        }
    return LBK_OK;
}

static bool has_rows(const lbk_network *net, lbk_value value) {
    return !lbk_graph_is_weight(net->eval, value);
}

static lbk_status describe_tensors(const lbk_teacher_link *link, lbk_cache_layout *layout, lbk_text *key) {
    const lbk_network *net = link->network;
    LBK_TRY(lbk_text_printf(key, "tensors ="));
    for (int i = 0; i < link->bindings->carried_count; i++) {
        const lbk_tap *tap = &link->bindings->carried[i];
        const lbk_shape *shape = &lbk_graph_desc(net->eval, tap->value)->shape;
        char text[LBK_SHAPE_TEXT];
        if (!has_rows(net, tap->value))
            continue;
        LBK_ENSURE(shape->dim[0] == net->batch);
        layout->floats[layout->tensor_count++] = (size_t)(lbk_shape_count(shape) / net->batch);
        LBK_TRY(lbk_text_printf(key, " %s %s", tap->name, lbk_shape_print(shape, text)));
    }
    return lbk_text_printf(key, "\n");
}

static lbk_status describe_all(const lbk_teacher_link *link, lbk_cache_layout *layout, lbk_text *key) {
    const lbk_network *net = link->network;
    const lbk_experiment *x = net->experiment;
    const lbk_role_params *p = &net->role->params;
    uint64_t weights;
    LBK_TRY(hash_weights(net->weights, &weights));
    LBK_TRY(lbk_text_printf(key, "version = %s\nmodel = %s %s\narithmetic = %d\nweights = %016llx\nseed = %d\n",
                            LIMBECK_VERSION, p->model, p->parameters, p->arithmetic, (unsigned long long)weights,
                            x->params.seed));
    LBK_TRY(lbk_text_printf(key, "type = %s\ntop = %d\nepochs = %u\n",
                            p->cache_type == LBK_CACHE_FLOAT16 ? "float16" : "float32", p->cache_top, layout->epochs));
    LBK_TRY(describe_tensors(link, layout, key));
    return lbk_data_print(&x->data, x->folder, key);
}

/* Without a name of the user's: one file a key. */
static lbk_status file_for(const lbk_network *net, const char *key, char **out) {
    const char *given = net->role->params.cache_file;
    char *cache = NULL, *folder = NULL;
    lbk_text name = {0};
    lbk_status status = LBK_OK;
    if (*given)
        return lbk_path_join(net->experiment->folder, given, out);
    LBK_GOTO(lbk_path_cache(&cache));
    LBK_GOTO(lbk_path_join(cache, "teachers", &folder));
    LBK_GOTO(lbk_path_make_folder(folder));
    LBK_GOTO(lbk_text_printf(&name, "%016llx.outputs", (unsigned long long)lbk_hash_text(LBK_HASH_START, key)));
    LBK_GOTO(lbk_path_join(folder, name.data, out));
out:
    free(cache);
    free(folder);
    lbk_text_release(&name);
    return status;
}

static lbk_status check_contents(const lbk_teacher_link *link) {
    const lbk_role_params *p = &link->network->role->params;
    if (p->cache == LBK_CACHE_LOGITS)
        for (int i = 1; i < link->bindings->carried_count; i++)
            if (has_rows(link->network, link->bindings->carried[i].value))
                return lbk_fail(LBK_ERR_INPUT, "cache = logits: the methods also read \"%s\"; use cache = taps",
                                link->bindings->carried[i].name);
    if (p->cache_top > link->network->classes)
        return lbk_fail(LBK_ERR_INPUT, "cache_top = %d: there are %d classes", p->cache_top, link->network->classes);
    return LBK_OK;
}

static lbk_status open_for(const lbk_teacher_link *link, lbk_text *key, char **path, lbk_teacher_cache **out) {
    const lbk_network *net = link->network;
    const lbk_data *data = &net->experiment->data;
    lbk_cache_layout layout = {.samples = data->source.train_count,
                               .precision = (lbk_cache_precision)net->role->params.cache_type,
                               .top = net->role->params.cache_top,
                               .epochs = 1};
    if (lbk_data_views_vary(data))
        layout.epochs = (uint32_t)net->experiment->student.params.epochs;
    LBK_TRY(check_contents(link));
    LBK_TRY(describe_all(link, &layout, key));
    layout.key = key->data;
    LBK_TRY(file_for(net, key->data, path));
    return lbk_teacher_cache_open(*path, &layout, out);
}

lbk_status lbk_teacher_cache_for(const lbk_teacher_link *link, lbk_teacher_cache **out) {
    const lbk_network *net = link->network;
    lbk_text key = {0};
    char *path = NULL;
    *out = NULL;
    if (net->role->params.cache == LBK_CACHE_OFF)
        return LBK_OK;
    lbk_status status = open_for(link, &key, &path, out);
    lbk_text_release(&key);
    free(path);
    return lbk_context(status, "[%s]", net->role->name);
}
