#include "graph/transfer.h"

#include "graph/names.h"

#include <string.h>

#define SHOWN 8 /* names in a message; the rest are counted */

typedef struct planning {
    const lbk_st_file *file;
    const lbk_transfer_rules *rules;
    lbk_arena *arena;
    lbk_transfer *out;
} planning;

/* "backbone:features" for our "features.0.weight" -> "backbone.0.weight". NULL: the rule is not for this name. */
static lbk_status rule_apply(planning *p, const char *rule, const char *name, const char **theirs) {
    const char *colon = strchr(rule, ':'), *to = colon + 1, *rest = name + strlen(to);
    int from = (int)(colon - rule);
    *theirs = NULL;
    if (!lbk_name_under(name, to))
        return LBK_OK;
    rest += *to && *rest == '.';
    return lbk_arena_printf(p->arena, theirs, "%.*s%s%s", from, rule, from && *rest ? "." : "", rest);
}

/* The file's tensor for our weight `name`; NULL: it has none. */
static lbk_status source_find(planning *p, const char *name, const lbk_st_entry **out) {
    const lbk_words *map = &p->rules->map;
    *out = map->count ? NULL : lbk_st_find(p->file, name);
    for (int i = 0; i < p->rules->except.count; i++)
        if (lbk_name_under(name, p->rules->except.items[i])) {
            *out = NULL;
            return LBK_OK;
        }
    for (int i = 0; i < map->count && !*out; i++) {
        const char *theirs = NULL;
        LBK_TRY(rule_apply(p, map->items[i], name, &theirs));
        *out = theirs ? lbk_st_find(p->file, theirs) : NULL;
    }
    return LBK_OK;
}

static lbk_status shape_check(const planning *p, const lbk_value_info *info, const lbk_st_entry *entry) {
    lbk_shape want = lbk_layout_file_shape(info->layout, &info->desc.shape);
    char have_text[LBK_SHAPE_TEXT], want_text[LBK_SHAPE_TEXT];
    if (entry->dtype == LBK_F32 && lbk_shape_equal(&entry->shape, &want))
        return LBK_OK;
    return lbk_fail(LBK_ERR_INPUT,
                    "%s: tensor '%s' is %s %s, expected F32 %s; init_except = %s leaves it at its initial values",
                    p->file->path, entry->name, lbk_dtype_name(entry->dtype), lbk_shape_print(&entry->shape, have_text),
                    lbk_shape_print(&want, want_text), info->name);
}

static lbk_status weights_match(planning *p, const lbk_graph *graph) {
    lbk_transfer *out = p->out;
    LBK_TRY(lbk_arena_alloc(p->arena, graph->value_count * sizeof *out->ours, &out->ours));
    LBK_TRY(lbk_arena_alloc(p->arena, graph->value_count * sizeof *out->theirs, &out->theirs));
    LBK_TRY(lbk_arena_alloc(p->arena, graph->value_count * sizeof *out->kept, &out->kept));
    for (size_t v = 0; v < graph->value_count; v++) {
        const lbk_value_info *info = &graph->values[v];
        const lbk_st_entry *entry = NULL;
        if (!lbk_graph_is_weight(graph, (lbk_value)v) || info->auxiliary)
            continue;
        LBK_TRY(source_find(p, info->name, &entry));
        if (!entry) {
            out->kept[out->kept_count++] = info->name;
            continue;
        }
        LBK_TRY(shape_check(p, info, entry));
        out->ours[out->count] = info->name;
        out->theirs[out->count++] = entry->name;
    }
    return LBK_OK;
}

static bool is_among(const char *const *names, size_t count, const char *name) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

/* Counters (int64) are not worth a word. */
static lbk_status unused_collect(planning *p) {
    lbk_transfer *out = p->out;
    LBK_TRY(lbk_arena_alloc(p->arena, (p->file->count + 1) * sizeof *out->unused, &out->unused));
    for (size_t i = 0; i < p->file->count; i++) {
        const lbk_st_entry *entry = &p->file->entries[i];
        if (entry->dtype != LBK_I64 && !is_among(out->theirs, out->count, entry->name))
            out->unused[out->unused_count++] = entry->name;
    }
    return LBK_OK;
}

/* Both sides of every rule, and every exception, must concern some weight. */
static lbk_status rules_check(planning *p, const lbk_graph *graph) {
    const char **ours = NULL, **theirs = NULL;
    size_t our_count = 0;
    LBK_TRY(lbk_arena_alloc(p->arena, (graph->value_count + 1) * sizeof *ours, &ours));
    LBK_TRY(lbk_arena_alloc(p->arena, (p->file->count + 1) * sizeof *theirs, &theirs));
    for (size_t v = 0; v < graph->value_count; v++)
        if (lbk_graph_is_weight(graph, (lbk_value)v) && !graph->values[v].auxiliary)
            ours[our_count++] = graph->values[v].name;
    for (size_t i = 0; i < p->file->count; i++)
        theirs[i] = p->file->entries[i].name;
    for (int i = 0; i < p->rules->except.count; i++)
        LBK_TRY(
            lbk_context(lbk_name_path_check(ours, our_count, p->rules->except.items[i], "the network"), "init_except"));
    for (int i = 0; i < p->rules->map.count; i++) {
        const char *rule = p->rules->map.items[i], *colon = strchr(rule, ':'), *from = NULL;
        LBK_TRY(lbk_arena_printf(p->arena, &from, "%.*s", (int)(colon - rule), rule));
        LBK_TRY(lbk_context(lbk_name_path_check(theirs, p->file->count, from, p->file->path), "init_map"));
        LBK_TRY(lbk_context(lbk_name_path_check(ours, our_count, colon + 1, "the network"), "init_map"));
    }
    return LBK_OK;
}

lbk_status lbk_transfer_plan(const lbk_graph *graph, const lbk_st_file *file, const lbk_transfer_rules *rules,
                             lbk_arena *arena, lbk_transfer *out) {
    planning p = {file, rules, arena, out};
    memset(out, 0, sizeof *out);
    LBK_TRY(rules_check(&p, graph));
    LBK_TRY(weights_match(&p, graph));
    if (!out->count)
        return lbk_fail(LBK_ERR_INPUT, "%s: has no tensor for any weight of the network", file->path);
    return unused_collect(&p);
}

static lbk_status names_print(const char *title, const char *const *names, size_t count, lbk_text *out) {
    for (size_t i = 0; i < count && i < SHOWN; i++)
        LBK_TRY(lbk_text_printf(out, "%s%s", i ? ", " : title, names[i]));
    return count > SHOWN ? lbk_text_printf(out, " and %zu more", count - SHOWN) : LBK_OK;
}

lbk_status lbk_transfer_print(const lbk_transfer *t, lbk_text *out) {
    LBK_TRY(lbk_text_printf(out, "%zu of %zu weights", t->count, t->count + t->kept_count));
    LBK_TRY(names_print("; not loaded: ", t->kept, t->kept_count, out));
    return names_print("; not used: ", t->unused, t->unused_count, out);
}

lbk_status lbk_transfer_load(const lbk_transfer *t, const lbk_st_file *file, lbk_weights *weights) {
    for (size_t i = 0; i < t->count; i++)
        LBK_TRY(lbk_weights_load_one(weights, t->ours[i], file, t->theirs[i]));
    return LBK_OK;
}
