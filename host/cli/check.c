#include "cli/cli.h"
#include "report/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a network will take on its device, and how its nodes will run there: in training where it is trained. */
static lbk_status measure(const lbk_network *net, const lbk_caps *caps, size_t *bytes, lbk_text *launches) {
    lbk_arena arena = {0};
    lbk_plan_estimate estimate;
    const lbk_graph *graph = net->train ? net->train : net->eval;
    size_t weights = (size_t)net->parameters * sizeof(float);
    size_t trained = (size_t)(net->parameters - net->frozen) * sizeof(float);
    lbk_status status = LBK_OK;
    LBK_GOTO(lbk_network_suit(net, caps));
    LBK_GOTO(lbk_plan_measure(net->eval, caps, &arena, &estimate));
    size_t lent = estimate.arena_bytes;
    *bytes = estimate.bytes + weights;
    if (net->train) {
        LBK_GOTO(lbk_plan_measure(net->train, caps, &arena, &estimate));
        if (estimate.arena_bytes >= lent) /* graph/plan.h, lender */
            *bytes -= lent;
        *bytes += estimate.bytes + trained * (size_t)(1 + net->role->optimizer->states);
    }
    if (net->look_ahead.graph) {
        LBK_GOTO(lbk_plan_measure(net->look_ahead.graph, caps, &arena, &estimate));
        *bytes += estimate.bytes;
        LBK_GOTO(lbk_plan_measure(graph, caps, &arena, &estimate));
    }
    LBK_GOTO(lbk_report_launches(graph, estimate.variants, launches));
out:
    lbk_arena_release(&arena);
    return status;
}

static void print_methods(const char *title, const lbk_objective *objective) {
    printf("%s", title);
    for (int i = 0; i < objective->method_count; i++)
        printf(" %s", objective->method[i]->name);
    printf("\n");
}

/* total[place] grows by what it takes. */
static lbk_status print_network(const lbk_session *s, const lbk_network *net, int place, uint64_t *total) {
    const lbk_device_spec *spec = &s->specs[place];
    const lbk_device_info *device = &s->list.items[spec->info];
    char parameters[16], frozen[16], flops[16], step[16], memory[16], part[32] = "";
    size_t bytes = 0;
    lbk_text launches = {0};
    lbk_status status = measure(net, &device->caps, &bytes, &launches);
    total[place] += bytes;
    if (spec->parts)
        snprintf(part, sizeof part, ", %u of %u units", spec->counts[spec->part], device->caps.compute_units);
    printf("%s: %s, %s parameters, %s FLOPs per sample", net->label, net->model->name,
           lbk_report_si((double)net->parameters, parameters), lbk_report_si(net->flops, flops));
    if (net->frozen)
        printf(", %s parameters frozen", lbk_report_si((double)net->frozen, frozen));
    if (net->train)
        printf(", %s per training step", lbk_report_si(lbk_graph_cost(net->train, true).flops, step));
    printf("\n  on %d.%d %s%s, %sB of device memory\n", device->platform_index, device->device_index, device->name,
           part, lbk_report_si((double)bytes, memory));
    if (net->train)
        printf("  %d epochs of %u steps, batch %d, %s, lr %g, %s\n", net->role->params.epochs,
               lbk_data_batches_per_epoch(&s->experiment->data,
                                          net->viewer == LBK_VIEWER_TEACHER ? LBK_PART_TEACHER : LBK_PART_TRAIN),
               net->batch, net->role->optimizer->name, net->role->params.lr, net->role->schedule->name);
    else
        printf("  loaded from %s\n", net->role->params.weights);
    if (net->look_ahead.graph)
        printf("  looks ahead every %d steps, %s FLOPs\n", net->look_ahead.every,
               lbk_report_si(lbk_graph_cost(net->look_ahead.graph, true).flops, step));
    if (net->role->objective.method_count)
        print_methods("  methods of its own:", &net->role->objective);
    if (net->init_report)
        printf("  begins from %s: %s\n", net->role->params.init, net->init_report);
    if (status == LBK_OK)
        printf("  runs%s", launches.data);
    lbk_text_release(&launches);
    return status;
}

static lbk_status too_large(const lbk_session *s, const lbk_device_spec *spec, uint64_t bytes) {
    const lbk_device_info *device = &s->list.items[spec->info];
    if (bytes <= device->caps.global_bytes)
        return LBK_OK;
    return lbk_fail(LBK_ERR_DEVICE, "%s has %llu bytes of memory, the plan needs %llu; use a smaller batch",
                    device->name, (unsigned long long)device->caps.global_bytes, (unsigned long long)bytes);
}

static void print_learner_files(const lbk_network *net) {
    printf(" %s.safetensors", net->label);
    if (net->deployment)
        printf(" %s.ini", net->label);
}

static void print_files(const lbk_session *s) {
    if (s->teacher.eval)
        printf(" teacher.safetensors");
    for (int i = 0; i < s->more_teacher_count; i++)
        printf(" %s.safetensors", s->more_teachers[i].label);
    for (int i = 0; i < s->learner_count; i++)
        print_learner_files(&s->learners[i]);
    if (s->experiment->params.student)
        print_learner_files(&s->student);
    printf("%s\n", s->control.eval ? " control.safetensors" : "");
}

static lbk_status print_plan(const lbk_session *s) {
    const lbk_experiment *x = s->experiment;
    const lbk_source *source = &x->data.source;
    uint64_t bytes[LBK_SESSION_DEVICES] = {0};
    printf("%s: seed %d, %s schedule\n", x->params.name, x->params.seed,
           x->params.schedule == LBK_TIMING_SERIAL ? "serial" : "concurrent");
    printf("data: %s", x->data.dataset->name);
    for (int i = 0; i < source->input_count; i++) {
        char text[LBK_SHAPE_TEXT];
        const char *name = x->data.dataset->no_images ? source->inputs[i].name : "";
        printf(", %s%s%s", name, *name ? " " : "", lbk_shape_print(&source->inputs[i].desc.shape, text));
    }
    printf(", %d classes, %u training, %u validation, %u test samples\n", source->classes,
           lbk_data_count(&x->data, LBK_PART_TRAIN), lbk_data_count(&x->data, LBK_PART_VALIDATION),
           lbk_data_count(&x->data, LBK_PART_TEST));
    if (s->teacher.eval)
        LBK_TRY(print_network(s, &s->teacher, LBK_TEACHER_DEVICE, bytes));
    for (int i = 0; i < s->more_teacher_count; i++)
        LBK_TRY(print_network(s, &s->more_teachers[i], s->more_teacher_device[i], bytes));
    for (int i = 0; i < s->learner_count; i++)
        LBK_TRY(print_network(s, &s->learners[i], LBK_STUDENT_DEVICE, bytes));
    LBK_TRY(print_network(s, &s->student, LBK_STUDENT_DEVICE, bytes));
    if (x->params.control)
        LBK_TRY(print_network(s, &s->control, LBK_STUDENT_DEVICE, bytes));
    print_methods("methods:", &x->objective);
    printf("files: experiment.ini metrics.jsonl log.txt result.json");
    print_files(s);
    for (int i = s->teacher.eval ? LBK_TEACHER_DEVICE : LBK_STUDENT_DEVICE; i < s->device_count; i++)
        LBK_TRY(too_large(s, &s->specs[i], bytes[i]));
    return LBK_OK;
}

static lbk_status check_file(const char *path, const char *const *sets, size_t count) {
    lbk_experiment experiment;
    lbk_session session = {0};
    lbk_status status = lbk_experiment_load(&experiment, path, sets, count);
    if (status == LBK_OK)
        status = lbk_session_prepare(&session, &experiment);
    if (status == LBK_OK)
        status = print_plan(&session);
    lbk_session_release(&session);
    lbk_experiment_release(&experiment);
    return status;
}

static lbk_status run_check(lbk_args *args) {
    const char **sets = NULL;
    size_t count = 0;
    lbk_status status = LBK_OK;
    LBK_GOTO(lbk_args_values(args, "--set", &sets, &count));
    LBK_GOTO(lbk_args_finish(args, 1, 1, "limbeck check FILE [--set section.key=value]..."));
    status = check_file(args->items[0], sets, count);
out:
    free(sets);
    return status;
}

const lbk_command lbk_command_check = {
    .name = "check",
    .usage = "check FILE [--set section.key=value]...",
    .summary = "read an experiment, check all that can fail before a device is used, print the plan",
    .help = "",
    .run = run_check,
};
