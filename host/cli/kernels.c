#include "base/file.h"
#include "cli/cli.h"
#include "train/run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct collection {
    lbk_program_request *items;
    size_t count, capacity;
    lbk_arena arena;
} collection;

static lbk_status add(collection *c, const char *file, const char *options) {
    for (size_t i = 0; i < c->count; i++)
        if (strcmp(c->items[i].file, file) == 0 && strcmp(c->items[i].options, options) == 0)
            return LBK_OK;
    LBK_TRY(lbk_grow(&c->items, &c->capacity, c->count + 1, sizeof *c->items));
    lbk_program_request *r = &c->items[c->count++];
    LBK_TRY(lbk_arena_strdup(&c->arena, file, &r->file));
    return lbk_arena_strdup(&c->arena, options, &r->options);
}

static lbk_status add_graph(collection *c, const lbk_graph *graph, const lbk_caps *caps) {
    lbk_plan_estimate plan;
    if (!graph)
        return LBK_OK;
    LBK_TRY(lbk_plan_measure(graph, caps, &c->arena, &plan));
    for (size_t i = 0; i < plan.request_count; i++)
        LBK_TRY(add(c, plan.requests[i].file, plan.requests[i].options));
    return LBK_OK;
}

static lbk_status add_network(collection *c, const lbk_network *net, const lbk_caps *caps) {
    LBK_TRY(lbk_network_suit(net, caps));
    LBK_TRY(add_graph(c, net->eval, caps));
    LBK_TRY(add_graph(c, net->train, caps));
    if (!net->train)
        return LBK_OK;
    lbk_call call, scale[LBK_SCALE_CALLS];
    LBK_TRY(lbk_loss_scale_calls(caps, 1024, scale));
    if (net->loss_scale != LBK_NONE)
        LBK_TRY(add(c, scale[0].file, scale[0].options));
    LBK_TRY(lbk_optimizer_call(net->role->optimizer, net->role->optimizer_params, caps, 1024, &call));
    return add(c, call.file, call.options);
}

static lbk_status add_experiment(collection *c, const char *path, const char *const *sets, size_t count,
                                 const lbk_caps *caps) {
    lbk_experiment experiment;
    lbk_session session = {0};
    lbk_status status = lbk_experiment_load(&experiment, path, sets, count);
    if (status == LBK_OK)
        status = lbk_session_prepare(&session, &experiment);
    if (status == LBK_OK && session.teacher.eval)
        status = add_network(c, &session.teacher, caps);
    for (int i = 0; status == LBK_OK && i < session.more_teacher_count; i++)
        status = add_network(c, &session.more_teachers[i], caps);
    for (int i = 0; status == LBK_OK && i < session.learner_count; i++)
        status = add_network(c, &session.learners[i], caps);
    if (status == LBK_OK)
        status = add_network(c, &session.student, caps);
    if (status == LBK_OK && experiment.params.control)
        status = add_network(c, &session.control, caps);
    lbk_session_release(&session);
    lbk_experiment_release(&experiment);
    return status;
}

static lbk_status build(const char *device_text, const char *folder, const char *experiment, const char *const *sets,
                        size_t set_count) {
    lbk_device_list list;
    lbk_device_spec spec;
    lbk_device *device = NULL;
    collection c = {0};
    char *quickstart = NULL;
    lbk_status status = LBK_OK;
    LBK_GOTO(lbk_device_list_init(&list));
    LBK_GOTO(lbk_device_spec_parse(&list, device_text, &spec));
    LBK_GOTO(lbk_device_open(&list, &spec, NULL, 1, &device));
    if (!experiment)
        experiment = quickstart = lbk_path_find_shipped("experiments", "quickstart.ini");
    if (!experiment) {
        status = lbk_fail(LBK_ERR_INPUT, "name an experiment: its kernels are what is built");
        goto out;
    }
    LBK_GOTO(add_experiment(&c, experiment, sets, set_count, &device->info.caps));
    LBK_GOTO(lbk_program_export(device, c.items, c.count, folder));
    printf("%zu programs for %s %s written to %s\n", c.count, device->label, device->info.name, folder);
out:
    lbk_device_close(device);
    lbk_device_list_release(&list);
    lbk_arena_release(&c.arena);
    free(c.items);
    free(quickstart);
    return status;
}

static lbk_status run_kernels(lbk_args *args) {
    const char *usage = "limbeck kernels build --device D --out DIR [FILE] [--set section.key=value]...";
    const char *device, *folder, **sets = NULL;
    size_t count = 0;
    lbk_status status = LBK_OK;
    LBK_GOTO(lbk_args_value(args, "--device", &device));
    LBK_GOTO(lbk_args_value(args, "--out", &folder));
    LBK_GOTO(lbk_args_values(args, "--set", &sets, &count));
    LBK_GOTO(lbk_args_finish(args, 1, 2, usage));
    if (strcmp(args->items[0], "build") != 0 || !device || !folder)
        status = lbk_fail(LBK_ERR_INPUT, "usage: %s", usage);
    else
        status = build(device, folder, args->count > 1 ? args->items[1] : NULL, sets, count);
out:
    free(sets);
    return status;
}

const lbk_command lbk_command_kernels = {
    .name = "kernels",
    .usage = "kernels build --device D --out DIR [FILE] [--set section.key=value]...",
    .summary = "compile an experiment's kernels beforehand, for devices without a compiler (`kernels = DIR`)",
    .help = "\n  FILE             experiment whose kernels are wanted (default: the shipped quickstart)\n",
    .run = run_kernels,
};
