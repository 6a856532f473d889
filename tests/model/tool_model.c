/* Runs models once each on a device, for tests/model/check_zoo.py.
 *
 *     tool_model CLASS
 *
 * CLASS: of kernels, "cpu", "gpu" or "generic"; the device is the first CPU. Jobs come on standard input, one a line, five fields
 * between tabs; each is answered by a line "done". The first that fails ends the program.
 *
 *     MODEL  train|eval  CLASSES  PARAMETERS  FOLDER
 *
 * PARAMETERS: "width=8 n=2", or "". FOLDER/weights.safetensors is the network; FOLDER/inputs.safetensors holds its inputs by name, as
 * they lie on the device, batch first ("input": an image, [N,H,W,C]), and for training "cotangent.NAME" for every output NAME.
 * Writes FOLDER/outputs.safetensors. In training that has the "loss" too, the sum over outputs of mean(output * cotangent), and there
 * are FOLDER/gradients.safetensors, those of the loss, and FOLDER/after.safetensors, the network with its running statistics after
 * the step; without statistics there is no such file. */
#include "graph/plan.h"
#include "model/model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct job {
    const char *name, *parameters, *folder;
    bool training;
    int classes;
    lbk_arena arena;
    lbk_model model;
    lbk_st_file file;
    lbk_graph *graph;
    lbk_model_input wanted[LBK_MODEL_INPUTS];
    lbk_value inputs[LBK_MODEL_INPUTS], cotangents[LBK_MODEL_OUTPUTS];
    int input_count;
    lbk_value step, loss;
    lbk_model_built built;
    lbk_device *device;
    lbk_weights *weights;
    lbk_plan *plan;
} job;

static lbk_status path_make(job *j, const char *name, const char **out) {
    return lbk_arena_printf(&j->arena, out, "%s/%s.safetensors", j->folder, name);
}

static lbk_status tensor_find(const job *j, const char *name, const lbk_st_entry **out) {
    *out = lbk_st_find(&j->file, name);
    return *out ? LBK_OK : lbk_fail(LBK_ERR_INPUT, "%s: has no tensor '%s'", j->file.path, name);
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
    return use->batch ? LBK_OK : lbk_fail(LBK_ERR_INPUT, "%s: holds no input", j->file.path);
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
    for (int i = 0; i < j->built.output_count; i++) {
        lbk_value term;
        LBK_TRY(term_build(j, i, &term));
        if (i == 0)
            j->loss = term;
        else
            LBK_TRY(lbk_graph_apply(j->graph, "add", NULL, 2, (lbk_value[]){j->loss, term}, &j->loss));
    }
    LBK_TRY(lbk_graph_keep(j->graph, j->loss));
    LBK_TRY(lbk_graph_fuse(j->graph));
    return lbk_graph_differentiate(j->graph, j->loss, NULL, 0, NULL);
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

static lbk_status plan_build(job *j) {
    const char *path;
    LBK_TRY(path_make(j, "weights", &path));
    LBK_TRY(lbk_weights_create(j->graph, j->device, j->training, &j->weights));
    LBK_TRY(lbk_weights_load(j->weights, path, NULL));
    return lbk_plan_create(j->graph, j->weights, j->device, NULL, &j->plan);
}

static lbk_status value_write(job *j, lbk_value value) {
    const lbk_value_info *info = lbk_graph_info(j->graph, value);
    const lbk_st_entry *entry;
    char have[LBK_SHAPE_TEXT], want[LBK_SHAPE_TEXT];
    LBK_TRY(tensor_find(j, info->name, &entry));
    if (entry->dtype != info->desc.dtype || !lbk_shape_equal(&entry->shape, &info->desc.shape))
        return lbk_fail(LBK_ERR_INPUT, "%s: '%s' is %s %s, expected %s %s", j->file.path, entry->name,
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

static lbk_status value_read(job *j, const char *name, lbk_value value, lbk_st_entry *out) {
    const lbk_tensor_desc *desc = lbk_graph_desc(j->graph, value);
    void *host = NULL;
    LBK_TRY(lbk_arena_alloc(&j->arena, lbk_tensor_bytes(desc), &host));
    *out = (lbk_st_entry){name, desc->dtype, desc->shape, host};
    return lbk_buffer_read(j->device, lbk_plan_buffer(j->plan, value), 0, host, lbk_tensor_bytes(desc));
}

static lbk_status outputs_write(job *j) {
    lbk_st_entry entries[LBK_MODEL_OUTPUTS + 1];
    size_t count = 0;
    const char *path;
    LBK_TRY(path_make(j, "outputs", &path));
    for (int i = 0; i < j->built.output_count; i++, count++)
        LBK_TRY(value_read(j, j->built.outputs[i].name, j->built.outputs[i].value, &entries[count]));
    if (j->training)
        LBK_TRY(value_read(j, "loss", j->loss, &entries[count++]));
    return lbk_st_write(path, entries, count, NULL);
}

static lbk_status results_write(job *j) {
    const char *gradients, *after;
    LBK_TRY(path_make(j, "gradients", &gradients));
    LBK_TRY(path_make(j, "after", &after));
    LBK_TRY(outputs_write(j));
    if (j->training)
        LBK_TRY(lbk_weights_save_gradients(j->weights, 1, gradients));
    return j->training && j->weights->state_bytes ? lbk_weights_save(j->weights, after, NULL) : LBK_OK;
}

static lbk_status steps_take(job *j) {
    const char *inputs;
    LBK_TRY(path_make(j, "inputs", &inputs));
    LBK_TRY(lbk_st_open(&j->file, inputs));
    LBK_TRY(graph_build(j));
    LBK_TRY(plan_build(j));
    LBK_TRY(step_run(j));
    return results_write(j);
}

/* line: MODEL, mode, CLASSES, PARAMETERS, FOLDER between tabs; overwritten. */
static lbk_status job_run(lbk_device *device, char *line) {
    char *fields[5];
    for (int i = 0; i < 5; i++) {
        fields[i] = line;
        line += strcspn(line, "\t\n");
        if (*line != (i < 4 ? '\t' : '\n'))
            return lbk_fail(LBK_ERR_INPUT, "a job is MODEL, train or eval, CLASSES, PARAMETERS, FOLDER between tabs");
        *line++ = '\0';
    }
    job j = {.name = fields[0],
             .training = strcmp(fields[1], "train") == 0,
             .classes = atoi(fields[2]),
             .parameters = fields[3],
             .folder = fields[4],
             .device = device};
    lbk_status status = lbk_context(steps_take(&j), "%s", j.name);
    lbk_plan_destroy(j.plan);
    lbk_weights_destroy(j.weights);
    lbk_graph_destroy(j.graph);
    lbk_st_close(&j.file);
    lbk_model_release(&j.model);
    lbk_arena_release(&j.arena);
    return status;
}

static lbk_status device_open(lbk_device_list *list, const char *class_name, lbk_device **out) {
    lbk_device_spec spec;
    LBK_TRY(lbk_device_list_init(list));
    LBK_TRY(lbk_device_spec_parse(list, "cpu", &spec));
    return lbk_device_open(list, &spec, &(lbk_open_options){.cls = class_name}, 1, out);
}

int main(int argc, char **argv) {
    lbk_status status = lbk_fail(LBK_ERR_INPUT, "usage: see the head of tests/model/tool_model.c");
    lbk_device_list list = {0};
    lbk_device *device = NULL;
    char line[4096];
    if (argc == 2)
        status = device_open(&list, argv[1], &device);
    while (status == LBK_OK && fgets(line, sizeof line, stdin)) {
        status = job_run(device, line);
        if (status == LBK_OK) {
            puts("done");
            fflush(stdout);
        }
    }
    if (status != LBK_OK)
        fprintf(stderr, "%s\n", lbk_error_message());
    lbk_device_close(device);
    lbk_device_list_release(&list);
    return lbk_status_exit_code(status);
}
