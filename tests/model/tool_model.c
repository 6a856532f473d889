/* Runs a model once on a device, for tests/model/check_zoo.py.
 *
 *     tool_model MODEL train|eval CLASSES PARAMETERS WEIGHTS INPUTS OUT
 *
 * PARAMETERS: "width=8 n=2", or "". WEIGHTS, INPUTS: safetensors files. INPUTS holds the network's inputs by name, as they lie on
 * the device, batch first ("input": an image, [N,H,W,C]), and for training "cotangent.NAME" for every output NAME.
 * Writes OUT/outputs.safetensors; in training also OUT/gradients.safetensors, the parameters' gradients of the sum over outputs of
 * mean(output * cotangent), and OUT/weights.safetensors, which has the running statistics after the step.
 * The device is the first CPU, the class of kernels $LIMBECK_CLASS. */
#include "base/file.h"
#include "graph/plan.h"
#include "model/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct job {
    const char *name, *parameters, *weights_path, *inputs_path, *out;
    bool training;
    int classes;
    lbk_model model;
    lbk_st_file file;
    lbk_graph *graph;
    lbk_model_input wanted[LBK_MODEL_INPUTS];
    lbk_value inputs[LBK_MODEL_INPUTS], cotangents[LBK_MODEL_OUTPUTS];
    int input_count;
    lbk_value step;
    lbk_model_built built;
    lbk_device_list list;
    lbk_device *device;
    lbk_weights *weights;
    lbk_plan *plan;
} job;

static lbk_status tensor_find(const job *j, const char *name, const lbk_st_entry **out) {
    *out = lbk_st_find(&j->file, name);
    return *out ? LBK_OK : lbk_fail(LBK_ERR_INPUT, "%s: has no tensor '%s'", j->inputs_path, name);
}

/* The batch, and an image's size, are those of the tensors in the file. */
static lbk_status use_fill(const job *j, lbk_model_use *use) {
    const lbk_st_entry *image = lbk_st_find(&j->file, "input");
    *use = (lbk_model_use){.classes = j->classes, .training = j->training, .overrides = j->parameters, .step = j->step};
    for (size_t i = 0; i < j->file.count && !use->batch; i++)
        if (j->file.entries[i].shape.rank > 0)
            use->batch = (int)j->file.entries[i].shape.dim[0];
    if (image && image->shape.rank == 4) {
        use->height = (int)image->shape.dim[1];
        use->width = (int)image->shape.dim[2];
        use->channels = (int)image->shape.dim[3];
    }
    return use->batch ? LBK_OK : lbk_fail(LBK_ERR_INPUT, "%s: holds no input", j->inputs_path);
}

/* mean(output * cotangent) */
static lbk_status term_build(job *j, int i, lbk_value *out) {
    const lbk_tap *output = &j->built.outputs[i];
    const char *name = NULL;
    lbk_value product;
    LBK_TRY(lbk_arena_printf(&j->graph->arena, &name, "cotangent.%s", output->name));
    LBK_TRY(
        lbk_graph_input(j->graph, name, LBK_F32, lbk_graph_desc(j->graph, output->value)->shape, &j->cotangents[i]));
    LBK_TRY(lbk_graph_apply(j->graph, "mul", NULL, 2, (lbk_value[]){output->value, j->cotangents[i]}, &product));
    return lbk_graph_apply(j->graph, "mean", NULL, 1, &product, out);
}

static lbk_status backward_build(job *j) {
    lbk_value loss = LBK_NONE;
    for (int i = 0; i < j->built.output_count; i++) {
        lbk_value term;
        LBK_TRY(term_build(j, i, &term));
        if (loss == LBK_NONE)
            loss = term;
        else
            LBK_TRY(lbk_graph_apply(j->graph, "add", NULL, 2, (lbk_value[]){loss, term}, &loss));
    }
    LBK_TRY(lbk_graph_keep(j->graph, loss));
    LBK_TRY(lbk_graph_fuse(j->graph));
    return lbk_graph_differentiate(j->graph, loss, NULL, 0, NULL);
}

static lbk_status graph_build(job *j) {
    lbk_model_use use;
    LBK_TRY(lbk_model_load(&j->model, j->name, NULL));
    LBK_TRY(lbk_graph_create(&j->graph));
    LBK_TRY(lbk_graph_scalar(j->graph, "step", LBK_I32, &j->step));
    LBK_TRY(use_fill(j, &use));
    LBK_TRY(lbk_model_inputs(&j->model, &use, j->wanted, &j->input_count));
    for (int i = 0; i < j->input_count; i++)
        LBK_TRY(lbk_graph_input(j->graph, j->wanted[i].name, j->wanted[i].desc.dtype, j->wanted[i].desc.shape,
                                &j->inputs[i]));
    LBK_TRY(lbk_model_build(&j->model, j->graph, j->inputs, &use, &j->built));
    for (int i = 0; i < j->built.output_count; i++)
        LBK_TRY(lbk_graph_keep(j->graph, j->built.outputs[i].value));
    if (j->training)
        LBK_TRY(backward_build(j));
    return lbk_graph_fuse(j->graph);
}

static lbk_status device_open(job *j) {
    lbk_device_spec spec;
    LBK_TRY(lbk_device_list_init(&j->list));
    LBK_TRY(lbk_device_spec_parse(&j->list, "cpu", &spec));
    LBK_TRY(lbk_device_open(&j->list, &spec, NULL, 1, &j->device));
    LBK_TRY(lbk_weights_create(j->graph, j->device, j->training, &j->weights));
    LBK_TRY(lbk_weights_load(j->weights, j->weights_path, NULL));
    return lbk_plan_create(j->graph, j->weights, j->device, NULL, &j->plan);
}

static lbk_status value_write(job *j, lbk_value value) {
    const lbk_value_info *info = lbk_graph_info(j->graph, value);
    const lbk_st_entry *entry;
    char have[LBK_SHAPE_TEXT], want[LBK_SHAPE_TEXT];
    LBK_TRY(tensor_find(j, info->name, &entry));
    if (entry->dtype != info->desc.dtype || !lbk_shape_equal(&entry->shape, &info->desc.shape))
        return lbk_fail(LBK_ERR_INPUT, "%s: '%s' is %s %s, expected %s %s", j->inputs_path, entry->name,
                        lbk_dtype_name(entry->dtype), lbk_shape_print(&entry->shape, have),
                        lbk_dtype_name(info->desc.dtype), lbk_shape_print(&info->desc.shape, want));
    return lbk_buffer_write(j->device, lbk_plan_buffer(j->plan, value), 0, entry->data, lbk_tensor_bytes(&info->desc));
}

static lbk_status step_run(job *j) {
    cl_event done = NULL;
    for (int i = 0; i < j->input_count; i++)
        LBK_TRY(value_write(j, j->inputs[i]));
    for (int i = 0; j->training && i < j->built.output_count; i++)
        LBK_TRY(value_write(j, j->cotangents[i]));
    lbk_plan_set_int(j->plan, j->step, 1);
    LBK_TRY(lbk_plan_enqueue(j->plan, &done));
    lbk_status status = lbk_event_wait(j->device, done);
    clReleaseEvent(done);
    return status;
}

static lbk_status outputs_write(const job *j, const char *path) {
    lbk_st_entry entries[LBK_MODEL_OUTPUTS];
    lbk_arena arena = {0};
    lbk_status status = LBK_OK;
    for (int i = 0; i < j->built.output_count; i++) {
        const lbk_tap *output = &j->built.outputs[i];
        const lbk_tensor_desc *desc = lbk_graph_desc(j->graph, output->value);
        void *host = NULL;
        LBK_GOTO(lbk_arena_alloc(&arena, lbk_tensor_bytes(desc), &host));
        LBK_GOTO(lbk_buffer_read(j->device, lbk_plan_buffer(j->plan, output->value), 0, host, lbk_tensor_bytes(desc)));
        entries[i] = (lbk_st_entry){output->name, desc->dtype, desc->shape, host};
    }
    status = lbk_st_write(path, entries, (size_t)j->built.output_count, NULL);
out:
    lbk_arena_release(&arena);
    return status;
}

static lbk_status results_write(job *j) {
    char *outputs = NULL, *gradients = NULL, *weights = NULL;
    lbk_status status = LBK_OK;
    LBK_GOTO(lbk_path_join(j->out, "outputs.safetensors", &outputs));
    LBK_GOTO(lbk_path_join(j->out, "gradients.safetensors", &gradients));
    LBK_GOTO(lbk_path_join(j->out, "weights.safetensors", &weights));
    LBK_GOTO(outputs_write(j, outputs));
    if (j->training) {
        LBK_GOTO(lbk_weights_save_gradients(j->weights, gradients));
        LBK_GOTO(lbk_weights_save(j->weights, weights, NULL));
    }
out:
    free(outputs);
    free(gradients);
    free(weights);
    return status;
}

static lbk_status run(job *j) {
    LBK_TRY(lbk_st_open(&j->file, j->inputs_path));
    LBK_TRY(graph_build(j));
    LBK_TRY(device_open(j));
    LBK_TRY(step_run(j));
    return results_write(j);
}

int main(int argc, char **argv) {
    lbk_status status = lbk_fail(LBK_ERR_INPUT, "usage: see the head of tests/model/tool_model.c");
    job j = {.name = NULL};
    if (argc == 8 && (strcmp(argv[2], "train") == 0 || strcmp(argv[2], "eval") == 0)) {
        j = (job){.name = argv[1],
                  .training = strcmp(argv[2], "train") == 0,
                  .classes = atoi(argv[3]),
                  .parameters = argv[4],
                  .weights_path = argv[5],
                  .inputs_path = argv[6],
                  .out = argv[7]};
        status = run(&j);
    }
    if (status != LBK_OK)
        fprintf(stderr, "%s\n", lbk_error_message());
    lbk_plan_destroy(j.plan);
    lbk_weights_destroy(j.weights);
    lbk_graph_destroy(j.graph);
    lbk_device_close(j.device);
    lbk_device_list_release(&j.list);
    lbk_st_close(&j.file);
    lbk_model_release(&j.model);
    return lbk_status_exit_code(status);
}
