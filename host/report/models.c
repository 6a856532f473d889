/* What the shipped models cost: a line of `limbeck describe model`, and the table docs/models.md. */
#include "report/catalog.h"
#include "report/report.h"

#include <string.h>

typedef struct figures {
    int64_t parameters;
    double flops;     /* of one sample, forward, in evaluation */
    lbk_text typical; /* "tokens 128, mask 128, 2 classes", "32x32x3, 10 classes" */
} figures;

static lbk_status typical_print(const lbk_model *model, const lbk_model_input *inputs, int count, lbk_text *out) {
    char text[LBK_SHAPE_TEXT];
    for (int i = 0; i < count; i++) {
        lbk_shape shape = inputs[i].desc.shape;
        shape.rank--;
        memmove(shape.dim, shape.dim + 1, (size_t)shape.rank * sizeof *shape.dim);
        if (strcmp(inputs[i].name, "input") != 0)
            LBK_TRY(lbk_text_printf(out, "%s%s ", i ? ", " : "", inputs[i].name));
        LBK_TRY(lbk_text_printf(out, "%s", lbk_shape_print(&shape, text)));
    }
    for (size_t i = 0; i < model->parameter_count; i++)
        if (strcmp(model->parameters[i].name, "classes") == 0)
            LBK_TRY(lbk_text_printf(out, ", %d classes", model->typical.classes));
    return LBK_OK;
}

static lbk_status graph_fill(const lbk_model *model, lbk_graph *graph, figures *out) {
    const lbk_model_typical *typical = &model->typical;
    const lbk_model_use use = {.batch = 1,
                               .height = typical->height,
                               .width = typical->width,
                               .channels = typical->channels,
                               .classes = typical->classes,
                               .step = LBK_NONE};
    lbk_model_input inputs[LBK_MODEL_INPUTS];
    lbk_value values[LBK_MODEL_INPUTS];
    lbk_model_built built;
    int count = 0;
    LBK_TRY(lbk_model_inputs(model, &use, inputs, &count));
    for (int i = 0; i < count; i++)
        LBK_TRY(lbk_graph_input(graph, inputs[i].name, inputs[i].desc.dtype, inputs[i].desc.shape, &values[i]));
    LBK_TRY(lbk_model_build(model, graph, values, &use, &built));
    LBK_TRY(typical_print(model, inputs, count, &out->typical));
    out->parameters = lbk_graph_parameters(graph);
    out->flops = lbk_graph_cost(graph, false).flops;
    return LBK_OK;
}

/* lbk_text_release(&out->typical) afterwards, whatever the status. */
static lbk_status figures_find(const lbk_model *model, figures *out) {
    lbk_graph *graph = NULL;
    *out = (figures){.typical = {0}};
    LBK_TRY(lbk_graph_create(&graph));
    lbk_status status = graph_fill(model, graph, out);
    lbk_graph_destroy(graph);
    return status;
}

lbk_status lbk_catalog_model_cost(const lbk_model *model, lbk_arena *arena, const char **out) {
    figures f;
    char flops[16];
    *out = NULL;
    if (model->typical.classes == 0)
        return LBK_OK;
    lbk_status status = figures_find(model, &f);
    if (status == LBK_OK)
        status = lbk_arena_printf(arena, out, "%lld parameters, %s FLOPs: %s", (long long)f.parameters,
                                  lbk_report_si(f.flops, flops), f.typical.data);
    lbk_text_release(&f.typical);
    return status;
}

static lbk_status row_print(const lbk_model *model, lbk_text *out) {
    figures f;
    char flops[16];
    lbk_status status = figures_find(model, &f);
    if (status == LBK_OK)
        status = lbk_text_printf(out, "| [%s](../models/%s.ini) | %lld | %s | %s | %s%s%s |\n", model->name,
                                 model->name, (long long)f.parameters, lbk_report_si(f.flops, flops), f.typical.data,
                                 model->summary, *model->source ? ". Source: " : "", model->source);
    lbk_text_release(&f.typical);
    return status;
}

static lbk_status rows_print(lbk_arena *arena, lbk_text *out) {
    const char *const *names;
    LBK_TRY(lbk_model_list(arena, &names));
    for (; *names; names++) {
        lbk_model model;
        LBK_TRY(lbk_model_load(&model, *names, NULL));
        lbk_status status = model.typical.classes ? row_print(&model, out) : LBK_OK;
        lbk_model_release(&model);
        LBK_TRY(status);
    }
    return LBK_OK;
}

lbk_status lbk_catalog_models_reference(lbk_text *out) {
    lbk_arena arena = {0};
    LBK_TRY(lbk_text_printf(
        out,
        "# Models\n\nGenerated from the files in models/ by `limbeck docs models`; do not edit.\n"
        "FLOPs are multiplications and additions of one sample's forward pass in evaluation. The sizes counted for are "
        "those that the model's file calls typical; a run has those of its data, and `parameters` of a role "
        "changes others ([adding-model.md](adding-model.md)).\n\n"
        "| model | parameters | FLOPs | counted for | what it is |\n|---|---:|---:|---|---|\n"));
    lbk_status status = rows_print(&arena, out);
    lbk_arena_release(&arena);
    return status;
}
