#include "report/catalog.h"

#include "data/data.h"
#include "distill/method.h"
#include "model/model.h"
#include "ops/support.h"
#include "optim/optimizer.h"
#include "optim/schedule.h"
#include "report/report.h"
#include "train/preset.h"
#include "train/table.h"

#include <string.h>

static const lbk_catalog_kind kinds[] = {
    {"ops", "op", NULL},
    {"methods", "method", "[distill.NAME]"},
    {"models", "model", NULL},
    {"datasets", "dataset", "[data]"},
    {"augmentations", "augmentation", "[augment.NAME]"},
    {"mixes", "mix", "[mix.NAME]"},
    {"optimizers", "optimizer", "[teacher] and [student]"},
    {"schedules", "schedule", "[teacher] and [student]"},
    {"presets", "preset", NULL},
    {"tables", "table", NULL},
    {NULL, NULL, NULL},
};

const lbk_catalog_kind *lbk_catalog_kinds(void) {
    return kinds;
}

const lbk_catalog_kind *lbk_catalog_kind_find(const char *name) {
    for (const lbk_catalog_kind *k = kinds; k->plural; k++)
        if (strcmp(k->plural, name) == 0 || strcmp(k->singular, name) == 0)
            return k;
    return NULL;
}

/* A growing list of entries. */
typedef struct listing {
    lbk_arena *arena;
    lbk_catalog_entry *items;
    size_t count, capacity;
} listing;

static lbk_status add(listing *l, lbk_catalog_entry entry) {
    if (l->count == l->capacity) {
        size_t bigger = l->capacity ? 2 * l->capacity : 32;
        lbk_catalog_entry *items = NULL;
        LBK_TRY(lbk_arena_alloc(l->arena, bigger * sizeof *items, &items));
        if (l->count)
            memcpy(items, l->items, l->count * sizeof *items);
        l->items = items;
        l->capacity = bigger;
    }
    l->items[l->count++] = entry;
    return LBK_OK;
}

static lbk_status variants_text(const lbk_op *op, lbk_text *out) {
    for (const lbk_variant *v = op->variants; v && v->emit; v++)
        LBK_TRY(lbk_text_printf(out, "%s%s/%s", out->length ? ", " : "", lbk_class_name(v->cls), v->name));
    return LBK_OK;
}

/* "out=8 kernel=3 on 2x5x7x3, 3x3x3x8: 12.3 k FLOPs, 4.5 kB", of the op's first example. */
static lbk_status cost_text(const lbk_op *op, lbk_arena *arena, lbk_text *out) {
    const lbk_op_example *example = &op->examples[0];
    lbk_tensor_desc inputs[LBK_MAX_INPUTS];
    lbk_infer infer = {.input_count = example->input_count, .input = inputs};
    lbk_cost cost;
    void *params = NULL;
    char flops[16], bytes[16], shape[LBK_SHAPE_TEXT];
    if (op->example_count == 0)
        return LBK_OK;
    LBK_TRY(lbk_arena_alloc(arena, op->params_size + 1, &params));
    LBK_TRY(lbk_op_params_parse(op, example->params, arena, params));
    infer.params = params;
    LBK_TRY(lbk_text_printf(out, "%s", example->params));
    for (int i = 0; i < example->input_count; i++) {
        inputs[i] = (lbk_tensor_desc){lbk_op_input_dtype(op, i), example->input[i]};
        if (lbk_infer_has(&infer, i))
            LBK_TRY(lbk_text_printf(out, "%s%s",
                                    i                  ? ", "
                                    : *example->params ? " on "
                                                       : "",
                                    lbk_shape_print(&example->input[i], shape)));
    }
    LBK_TRY(lbk_op_infer(op, &infer));
    op->cost(&infer, &cost);
    return lbk_text_printf(out, ": %s FLOPs, %sB", lbk_report_si(cost.flops, flops), lbk_report_si(cost.bytes, bytes));
}

static lbk_status add_op(listing *l, const lbk_op *op) {
    lbk_text variants = {0}, cost = {0};
    lbk_catalog_entry entry = {.name = op->name,
                               .summary = op->summary,
                               .formula = op->formula,
                               .inputs = op->inputs,
                               .outputs = op->outputs,
                               .params = op->params,
                               .layer = op->layer};
    lbk_status status = LBK_OK;
    LBK_GOTO(variants_text(op, &variants));
    LBK_GOTO(cost_text(op, l->arena, &cost));
    LBK_GOTO(lbk_arena_strdup(l->arena, variants.data ? variants.data : "", &entry.variants));
    LBK_GOTO(lbk_arena_strdup(l->arena, cost.data ? cost.data : "", &entry.cost));
    LBK_GOTO(add(l, entry));
out:
    lbk_text_release(&variants);
    lbk_text_release(&cost);
    return status;
}

static lbk_status add_ops(listing *l) {
    for (const lbk_op *const *op = lbk_op_all(); *op; op++)
        LBK_TRY(add_op(l, *op));
    return LBK_OK;
}

static lbk_status add_methods(listing *l) {
    for (const lbk_method *const *m = lbk_method_all(); *m; m++)
        LBK_TRY(add(l, (lbk_catalog_entry){.name = (*m)->name,
                                           .summary = (*m)->summary,
                                           .formula = (*m)->formula,
                                           .source = (*m)->source,
                                           .params = (*m)->params}));
    return LBK_OK;
}

static lbk_status add_models(listing *l) {
    const char *const *names;
    LBK_TRY(lbk_model_list(l->arena, &names));
    for (; *names; names++) {
        lbk_model model;
        lbk_catalog_entry entry = {.name = *names};
        lbk_status status = lbk_model_load(&model, *names, NULL);
        if (status == LBK_OK)
            status = lbk_arena_strdup(l->arena, model.summary ? model.summary : "", &entry.summary);
        if (status == LBK_OK && model.source)
            status = lbk_arena_strdup(l->arena, model.source, &entry.source);
        if (status == LBK_OK)
            status = lbk_catalog_model_cost(&model, l->arena, &entry.cost);
        lbk_model_release(&model);
        LBK_TRY(status);
        LBK_TRY(add(l, entry));
    }
    return LBK_OK;
}

static lbk_status add_data(listing *l) {
    for (const lbk_dataset *const *d = lbk_dataset_all(); *d; d++)
        LBK_TRY(
            add(l, (lbk_catalog_entry){
                       .name = (*d)->name, .summary = (*d)->summary, .source = (*d)->origin, .params = (*d)->params}));
    return LBK_OK;
}

static lbk_status add_augmentations(listing *l) {
    for (const lbk_augmentation *const *a = lbk_augmentation_all(); *a; a++)
        LBK_TRY(add(l, (lbk_catalog_entry){.name = (*a)->name, .summary = (*a)->summary, .params = (*a)->params}));
    return LBK_OK;
}

static lbk_status add_mixes(listing *l) {
    for (const lbk_mix *const *m = lbk_mix_all(); *m; m++)
        LBK_TRY(
            add(l, (lbk_catalog_entry){
                       .name = (*m)->name, .summary = (*m)->summary, .source = (*m)->source, .params = (*m)->params}));
    return LBK_OK;
}

static lbk_status add_optimizers(listing *l) {
    for (const lbk_optimizer *const *o = lbk_optimizer_all(); *o; o++)
        LBK_TRY(add(l, (lbk_catalog_entry){.name = (*o)->name,
                                           .summary = (*o)->summary,
                                           .formula = (*o)->formula,
                                           .source = (*o)->source,
                                           .params = (*o)->params}));
    return LBK_OK;
}

static lbk_status add_schedules(listing *l) {
    for (const lbk_schedule *const *s = lbk_schedule_all(); *s; s++)
        LBK_TRY(add(l, (lbk_catalog_entry){.name = (*s)->name,
                                           .summary = (*s)->summary,
                                           .formula = (*s)->formula,
                                           .source = (*s)->source,
                                           .params = (*s)->params}));
    return LBK_OK;
}

/* All sections but the header. */
static lbk_status content_text(const lbk_ini *ini, const char *header, lbk_text *out) {
    for (size_t i = 0; i < ini->section_count; i++) {
        const char *section = ini->sections[i].name;
        if (strcmp(section, header) == 0)
            continue;
        LBK_TRY(lbk_text_printf(out, "%s[%s]\n", out->length ? "\n" : "", section));
        for (size_t e = 0; e < ini->entry_count; e++) {
            if (strcmp(ini->entries[e].section, section) != 0)
                continue;
            LBK_TRY(lbk_text_printf(out, "%s = ", ini->entries[e].key));
            LBK_TRY(lbk_ini_value_print(ini->entries[e].value, out));
            LBK_TRY(lbk_text_printf(out, "\n"));
        }
    }
    return LBK_OK;
}

/* A file with a header and what it sets; all texts are the file's. */
static lbk_status add_file(listing *l, lbk_catalog_entry entry, const lbk_ini *ini, const char *header) {
    lbk_text content = {0};
    lbk_status status = LBK_OK;
    LBK_GOTO(content_text(ini, header, &content));
    LBK_GOTO(lbk_arena_strdup(l->arena, entry.summary, &entry.summary));
    LBK_GOTO(lbk_arena_strdup(l->arena, entry.source, &entry.source));
    LBK_GOTO(lbk_arena_strdup(l->arena, content.data ? content.data : "", &entry.content));
    LBK_GOTO(add(l, entry));
out:
    lbk_text_release(&content);
    return status;
}

static lbk_status add_preset(listing *l, const char *name) {
    lbk_preset p = {0};
    lbk_status status = lbk_preset_load(&p, name, NULL);
    if (status == LBK_OK)
        status =
            add_file(l, (lbk_catalog_entry){.name = name, .summary = p.summary, .source = p.source}, &p.ini, "preset");
    lbk_preset_release(&p);
    return status;
}

static lbk_status add_table(listing *l, const char *name) {
    lbk_table t = {0};
    lbk_status status = lbk_table_load(&t, name);
    if (status == LBK_OK)
        status = add_file(l, (lbk_catalog_entry){.name = name, .summary = t.params.summary, .source = t.params.source},
                          &t.ini, "table");
    lbk_table_release(&t);
    return status;
}

static lbk_status add_shipped(listing *l, const lbk_shipped_kind *kind,
                              lbk_status (*add_one)(listing *, const char *)) {
    const char *const *names;
    LBK_TRY(lbk_shipped_list(kind, l->arena, &names));
    for (; *names; names++)
        LBK_TRY(add_one(l, *names));
    return LBK_OK;
}

static lbk_status add_presets(listing *l) {
    return add_shipped(l, &lbk_preset_kind, add_preset);
}

static lbk_status add_tables(listing *l) {
    return add_shipped(l, &lbk_table_kind, add_table);
}

lbk_status lbk_catalog_entries(const lbk_catalog_kind *kind, lbk_arena *arena, lbk_catalog_entry **entries,
                               size_t *count) {
    static lbk_status (*const adders[])(listing *) = {add_ops,           add_methods, add_models,     add_data,
                                                      add_augmentations, add_mixes,   add_optimizers, add_schedules,
                                                      add_presets,       add_tables};
    listing l = {.arena = arena};
    LBK_TRY(adders[kind - kinds](&l));
    *entries = l.items;
    *count = l.count;
    return LBK_OK;
}
