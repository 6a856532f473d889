#include "cli/cli.h"
#include "report/catalog.h"

#include <stdio.h>
#include <string.h>

static lbk_status list_kind(const lbk_catalog_kind *kind, bool title, lbk_text *out) {
    lbk_arena arena = {0};
    lbk_catalog_entry *entries;
    size_t count;
    lbk_status status = lbk_catalog_entries(kind, &arena, &entries, &count);
    if (status == LBK_OK && title)
        status = lbk_text_printf(out, "%s\n", kind->plural);
    for (size_t i = 0; status == LBK_OK && i < count; i++)
        status = lbk_text_printf(out, "%s%-24s %s\n", title ? "  " : "", entries[i].name, entries[i].summary);
    lbk_arena_release(&arena);
    return status;
}

static lbk_status unknown_kind(const char *name) {
    lbk_text text = {0};
    for (const lbk_catalog_kind *k = lbk_catalog_kinds(); k->plural; k++)
        LBK_TRY(lbk_text_printf(&text, "%s%s", text.length ? ", " : "", k->plural));
    lbk_status status = lbk_fail(LBK_ERR_INPUT, "nothing is listed as '%s'; expected one of %s", name, text.data);
    lbk_text_release(&text);
    return status;
}

static lbk_status run_list(lbk_args *args) {
    LBK_TRY(lbk_args_finish(args, 0, 1, "limbeck list [KIND]"));
    const lbk_catalog_kind *only = args->count ? lbk_catalog_kind_find(args->items[0]) : NULL;
    if (args->count && !only)
        return unknown_kind(args->items[0]);
    lbk_text out = {0};
    for (const lbk_catalog_kind *k = lbk_catalog_kinds(); k->plural; k++)
        if (!only || k == only)
            LBK_TRY(list_kind(k, !only, &out));
    return lbk_cli_print(&out);
}

const lbk_command lbk_command_list = {
    .name = "list",
    .usage = "list [ops|methods|models|datasets|augmentations|mixes|optimizers|schedules|presets|tables]",
    .summary = "list what can be named in an experiment or a model",
    .help = "",
    .run = run_list,
};

static lbk_status describe_entry(const lbk_catalog_kind *kind, const char *name, lbk_arena *arena, lbk_text *out) {
    lbk_catalog_entry *entries;
    size_t count;
    LBK_TRY(lbk_catalog_entries(kind, arena, &entries, &count));
    const char **names = NULL;
    LBK_TRY(lbk_arena_alloc(arena, (count + 1) * sizeof *names, &names));
    for (size_t i = 0; i < count; i++) {
        if (strcmp(entries[i].name, name) == 0)
            return lbk_catalog_describe(kind, &entries[i], out);
        names[i] = entries[i].name;
    }
    const char *near = lbk_nearest(name, names, count);
    return lbk_fail(LBK_ERR_INPUT, "there is no %s '%s'%s%s%s; see `limbeck list %s`", kind->singular, name,
                    near ? ", did you mean '" : "", near ? near : "", near ? "'?" : "", kind->plural);
}

static lbk_status run_describe(lbk_args *args) {
    LBK_TRY(lbk_args_finish(args, 2, 2, "limbeck describe KIND NAME"));
    const lbk_catalog_kind *kind = lbk_catalog_kind_find(args->items[0]);
    if (!kind)
        return unknown_kind(args->items[0]);
    lbk_arena arena = {0};
    lbk_text out = {0};
    lbk_status status = describe_entry(kind, args->items[1], &arena, &out);
    lbk_arena_release(&arena);
    LBK_TRY(status);
    return lbk_cli_print(&out);
}

const lbk_command lbk_command_describe = {
    .name = "describe",
    .usage = "describe KIND NAME",
    .summary = "say what an op, method, model, dataset, ... is: parameters, defaults, ranges, sources",
    .help = "",
    .run = run_describe,
};

static lbk_status run_docs(lbk_args *args) {
    static const struct {
        const char *name;
        lbk_status (*write)(lbk_text *out);
    } documents[] = {{"experiments", lbk_catalog_reference},
                     {"models", lbk_catalog_models_reference},
                     {"ops", lbk_catalog_ops_reference}};
    LBK_TRY(lbk_args_finish(args, 0, 1, "limbeck docs [experiments | models | ops]"));
    const char *name = args->count ? args->items[0] : documents[0].name;
    lbk_text out = {0};
    for (size_t i = 0; i < sizeof documents / sizeof *documents; i++)
        if (strcmp(name, documents[i].name) == 0) {
            LBK_TRY(documents[i].write(&out));
            return lbk_cli_print(&out);
        }
    return lbk_fail(LBK_ERR_INPUT, "unknown document '%s'; expected experiments, models or ops", name);
}

const lbk_command lbk_command_docs = {
    .name = "docs",
    .usage = "docs [experiments | models | ops]",
    .summary = "print docs/experiments.md, the reference of every key, docs/models.md or docs/ops.md",
    .help = "",
    .run = run_docs,
};
