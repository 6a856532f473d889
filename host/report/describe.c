#include "report/catalog.h"

#include "data/data.h"
#include "distill/objective.h"
#include "train/experiment.h"

#include <string.h>

static lbk_status print_param(const lbk_param *p, lbk_text *out) {
    lbk_text expect = {0};
    lbk_status status = lbk_param_expect(p, &expect);
    if (status == LBK_OK)
        status = lbk_text_printf(out, "  %-16s %s%s%s%s\n", p->name, p->meaning, p->unit ? " (" : "",
                                 p->unit ? p->unit : "", p->unit ? ")" : "");
    if (status == LBK_OK)
        status = lbk_text_printf(out, "  %-16s   %s; %s%s\n", "", expect.data ? expect.data : "",
                                 p->fallback ? "default: " : "required",
                                 p->fallback ? (*p->fallback ? p->fallback : "(empty)") : "");
    if (status == LBK_OK && p->source)
        status = lbk_text_printf(out, "  %-16s   source: %s\n", "", p->source);
    lbk_text_release(&expect);
    return status;
}

static lbk_status line(lbk_text *out, const char *title, const char *text) {
    return text && *text ? lbk_text_printf(out, "%-10s %s\n", title, text) : LBK_OK;
}

lbk_status lbk_catalog_describe(const lbk_catalog_kind *kind, const lbk_catalog_entry *e, lbk_text *out) {
    LBK_TRY(lbk_text_printf(out, "%s %s: %s\n", kind->singular, e->name, e->summary));
    LBK_TRY(line(out, "formula:", e->formula));
    LBK_TRY(line(out, "inputs:", e->inputs));
    LBK_TRY(line(out, "outputs:", e->outputs));
    LBK_TRY(line(out, "variants:", e->variants));
    LBK_TRY(line(out, "cost:", e->cost));
    LBK_TRY(line(out, "source:", e->source));
    if (e->content)
        return lbk_text_printf(out, "\n%s", e->content);
    if (!e->params || !e->params->name)
        return LBK_OK;
    LBK_TRY(lbk_text_printf(out, "parameters%s%s:\n", kind->section ? ", keys of " : "",
                            kind->section ? kind->section : ""));
    for (const lbk_param *p = e->params; p->name; p++)
        LBK_TRY(print_param(p, out));
    return LBK_OK;
}

static lbk_status key_row(const lbk_param *p, lbk_text *out) {
    lbk_text expect = {0};
    lbk_status status = lbk_param_expect(p, &expect);
    if (status == LBK_OK)
        status = lbk_text_printf(
            out, "| `%s` | %s | %s%s%s | %s%s%s%s%s%s |\n", p->name, expect.data ? expect.data : "",
            p->fallback && *p->fallback ? "`" : "", p->fallback ? (*p->fallback ? p->fallback : "empty") : "required",
            p->fallback && *p->fallback ? "`" : "", p->meaning, p->unit ? " (" : "", p->unit ? p->unit : "",
            p->unit ? ")" : "", p->source ? ". Source: " : "", p->source ? p->source : "");
    lbk_text_release(&expect);
    return status;
}

static lbk_status key_table(const lbk_param *table, lbk_text *out) {
    if (!table || !table->name)
        return lbk_text_printf(out, "No keys of its own.\n");
    LBK_TRY(lbk_text_printf(out, "| key | value | default | meaning |\n|---|---|---|---|\n"));
    for (const lbk_param *p = table; p->name; p++)
        LBK_TRY(key_row(p, out));
    return LBK_OK;
}

static lbk_status section(const char *title, const char *text, const lbk_param *table, lbk_text *out) {
    LBK_TRY(lbk_text_printf(out, "\n## %s\n\n%s\n\n", title, text));
    return key_table(table, out);
}

static lbk_status kind_sections(const char *plural, const char *title, const char *text, lbk_arena *arena,
                                lbk_text *out) {
    const lbk_catalog_kind *kind = lbk_catalog_kind_find(plural);
    lbk_catalog_entry *entries;
    size_t count;
    LBK_TRY(lbk_catalog_entries(kind, arena, &entries, &count));
    LBK_TRY(lbk_text_printf(out, "\n## %s\n\n%s\n", title, text));
    for (size_t i = 0; i < count; i++) {
        const lbk_catalog_entry *e = &entries[i];
        LBK_TRY(lbk_text_printf(out, "\n### %s\n\n%s.", e->name, e->summary));
        if (e->formula)
            LBK_TRY(lbk_text_printf(out, " `%s`", e->formula));
        if (e->source)
            LBK_TRY(lbk_text_printf(out, " (%s)", e->source));
        LBK_TRY(lbk_text_printf(out, "\n\n"));
        LBK_TRY(e->content ? lbk_text_printf(out, "```ini\n%s```\n", e->content) : key_table(e->params, out));
    }
    return LBK_OK;
}

/* One line per method, with the defaults of the two keys that are chosen first. */
static lbk_status method_table(lbk_arena *arena, lbk_text *out) {
    lbk_catalog_entry *entries;
    size_t count;
    LBK_TRY(lbk_catalog_entries(lbk_catalog_kind_find("methods"), arena, &entries, &count));
    LBK_TRY(lbk_text_printf(out,
                            "\n## Methods\n\nValues of `methods`, with the defaults of `layers` and `weight`; "
                            "[methods.md](methods.md) says how they combine.\n\n"
                            "| method | what | layers | weight | source of the weight |\n|---|---|---|---|---|\n"));
    for (size_t i = 0; i < count; i++) {
        const lbk_param *weight = lbk_param_find(entries[i].params, "weight");
        const lbk_param *layers = lbk_param_find(entries[i].params, "layers");
        LBK_TRY(lbk_text_printf(out, "| [%s](#%s) | %s | %s | %s | %s |\n", entries[i].name, entries[i].name,
                                entries[i].summary, layers ? layers->fallback : "", weight->fallback,
                                weight->source ? weight->source : ""));
    }
    return LBK_OK;
}

static lbk_status reference(lbk_arena *arena, lbk_text *out) {
    LBK_TRY(lbk_text_printf(out,
                            "# Experiments: every section and key\n\n"
                            "Generated from the program's registries by `limbeck docs`; do not edit.\n"
                            "A key that is unknown, written twice, out of range or without effect is refused.\n"
                            "\n"
                            "Weights and temperatures of methods may change over the student's training:\n"
                            "\n"
                            "| written | means |\n|---|---|\n"
                            "| `0.9` | stays |\n"
                            "| `10 -> 1` | 10 at the first step, 1 at the last one, along a straight line |\n"
                            "| `10 -> 1 cosine` | the same along half a cosine |\n"
                            "| `0.9 warmup 20`, `10 -> 1 warmup 20` | times min(epoch / 20, 1), at every step, with "
                            "the epochs done after this step: 0.5 in the middle of the first |\n"));
    LBK_TRY(section("[experiment]", "The run as a whole.", lbk_experiment_table, out));
    LBK_TRY(section("[data]", "The dataset and how it is read; the dataset's own keys stand here too.", lbk_data_table,
                    out));
    LBK_TRY(section("[teacher]",
                    "The large network: trained here, or loaded from `weights`. The optimiser's and the schedule's "
                    "keys stand here too. Keys of `methods` stand in [teacher/METHOD], those of [teacher.NAME] in "
                    "[teacher.NAME/METHOD].",
                    lbk_teacher_table, out));
    LBK_TRY(
        section("[student]", "The small network; the control is trained by the same keys.", lbk_student_table, out));
    LBK_TRY(section("[distill]", "The student's objective.", lbk_objective_table, out));
    LBK_TRY(method_table(arena, out));
    LBK_TRY(kind_sections("methods", "[distill.METHOD]",
                          "One section for each method in use; a teacher's own have the "
                          "same keys in [teacher/METHOD].",
                          arena, out));
    LBK_TRY(kind_sections("datasets", "Datasets", "Values of `dataset`; their keys stand in [data].", arena, out));
    LBK_TRY(kind_sections("augmentations", "[augment.NAME]", "Values of `augment`; one section for each that is set.",
                          arena, out));
    LBK_TRY(kind_sections("mixes", "[mix.NAME]", "Values of `mix`, which has one section.", arena, out));
    LBK_TRY(kind_sections("optimizers", "Optimisers",
                          "Values of `optimizer`; their keys stand in [teacher] and [student].", arena, out));
    LBK_TRY(kind_sections("schedules", "Schedules",
                          "Values of `schedule` in [teacher] and [student]; their keys stand there.", arena, out));
    return kind_sections("presets", "Presets",
                         "Values of `preset` in [distill]: files of defaults, experiments/presets/NAME.ini, or a file "
                         "of your own named by its path. What the experiment or --set says wins; what the experiment "
                         "has no use for (another method's section, another optimiser's keys) is passed over. A file "
                         "dropped there is a preset (`host/train/preset.h`).",
                         arena, out);
}

static lbk_status op_section(const lbk_catalog_entry *e, lbk_text *out) {
    LBK_TRY(lbk_text_printf(out, "\n### %s\n\n%s. `%s`\n\n", e->name, e->summary, e->formula));
    LBK_TRY(lbk_text_printf(out, "- inputs: `%s`\n- outputs: `%s`\n- variants: %s\n- cost: %s\n", e->inputs, e->outputs,
                            e->variants, e->cost));
    if (!e->params || !e->params->name)
        return LBK_OK;
    LBK_TRY(lbk_text_printf(out, "\n"));
    return key_table(e->params, out);
}

static lbk_status ops_reference(lbk_arena *arena, lbk_text *out) {
    static const char *const titles[] = {"Layers", "Other ops"};
    lbk_catalog_entry *entries;
    size_t count;
    LBK_TRY(lbk_catalog_entries(lbk_catalog_kind_find("ops"), arena, &entries, &count));
    LBK_TRY(lbk_text_printf(
        out, "# Ops\n\nGenerated from the program's registry by `limbeck docs ops`; do not edit.\n"
             "Variants are class/name in the order in which they are tried; cost is that of the op's first example: "
             "multiplications and additions, and bytes with each operand read or written once. `?` marks an input "
             "that may be absent, `:i32` integers.\n"));
    for (int other = 0; other < 2; other++) {
        LBK_TRY(lbk_text_printf(out, "\n## %s\n\n%s\n", titles[other],
                                other ? "Derivatives, losses and what else graphs are made of."
                                      : "Usable in model files (docs/adding-model.md)."));
        for (size_t i = 0; i < count; i++)
            if (entries[i].layer == !other)
                LBK_TRY(op_section(&entries[i], out));
    }
    return LBK_OK;
}

lbk_status lbk_catalog_ops_reference(lbk_text *out) {
    lbk_arena arena = {0};
    lbk_status status = ops_reference(&arena, out);
    lbk_arena_release(&arena);
    return status;
}

lbk_status lbk_catalog_reference(lbk_text *out) {
    lbk_arena arena = {0};
    lbk_status status = reference(&arena, out);
    lbk_arena_release(&arena);
    return status;
}
