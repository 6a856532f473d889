/* One view of everything that is registered, for `limbeck list`, `limbeck describe` and the generated reference docs. */
#ifndef LBK_REPORT_CATALOG_H
#define LBK_REPORT_CATALOG_H

#include "model/model.h"

typedef struct lbk_catalog_entry {
    const char *name, *summary;
    const char *formula, *source, *inputs, *outputs; /* NULL where it has none */
    const char *variants;                            /* ops: "cpu/tiled, generic", in the catalog's arena; else NULL */
    const char *cost; /* ops: FLOPs and bytes of one example; models: parameters and FLOPs; as a sentence; else NULL */
    bool layer;       /* ops: usable in model files */
    const lbk_param *params; /* NULL: none */
    const char *content;     /* presets and tables: what they set, as an INI file; else NULL */
} lbk_catalog_entry;

typedef struct lbk_catalog_kind {
    const char *plural, *singular; /* "ops", "op" */
    const char *section;           /* where its parameters stand in an experiment: "[distill.NAME]"; NULL */
} lbk_catalog_kind;

/* Ends with plural NULL. */
const lbk_catalog_kind *lbk_catalog_kinds(void);
/* By plural or singular name; NULL when unknown. */
const lbk_catalog_kind *lbk_catalog_kind_find(const char *name);
/* All entries of a kind, in registry order, in `arena`. */
lbk_status lbk_catalog_entries(const lbk_catalog_kind *kind, lbk_arena *arena, lbk_catalog_entry **entries,
                               size_t *count);

/* An entry in full: what it is, formula, parameters with type, default, range and source. */
lbk_status lbk_catalog_describe(const lbk_catalog_kind *kind, const lbk_catalog_entry *entry, lbk_text *out);
/* docs/experiments.md: every section and key of an experiment. */
lbk_status lbk_catalog_reference(lbk_text *out);
/* docs/ops.md: every op: formula, shapes, variants, cost, parameters. */
lbk_status lbk_catalog_ops_reference(lbk_text *out);
/* docs/models.md: every shipped model that says what is typical: parameters, FLOPs, source. */
lbk_status lbk_catalog_models_reference(lbk_text *out);

/* "272474 parameters, 81.8 M FLOPs: 32x32x3, 10 classes", in `arena`: for what the model says is typical; NULL
 * where it says nothing. */
lbk_status lbk_catalog_model_cost(const lbk_model *model, lbk_arena *arena, const char **out);

#endif
