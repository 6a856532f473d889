#include "base/file.h"
#include "cli/cli.h"
#include "report/report.h"
#include "tensor/safetensors.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct request {
    const char *path, *weights, *logits;
    bool teacher, json;
    lbk_part part;
    const char **sets;
    size_t set_count;
} request;

static lbk_status write_logits(const char *path, const lbk_evaluation *e) {
    const lbk_st_entry entries[] = {
        {"logits", LBK_F32, lbk_shape_2(e->count, e->classes), e->logits},
        {"labels", LBK_I32, lbk_shape_1(e->count), e->labels},
    };
    return lbk_st_write(path, entries, 2, NULL);
}

static lbk_status print_evaluation(const request *q, const lbk_evaluation *e) {
    if (q->json) {
        json_t *root = json_pack("{ss ss sI sf sf sf sf sf}", "role", q->teacher ? "teacher" : "student", "part",
                                 lbk_part_name(q->part), "count", (json_int_t)e->count, "accuracy", e->accuracy, "loss",
                                 e->loss, "macro_f1", e->macro_f1, "device_s_per_sample", e->device_s_per_sample,
                                 "wall_s_per_sample", e->wall_s_per_sample);
        json_dumpf(root, stdout, JSON_INDENT(2));
        json_decref(root);
        printf("\n");
        return LBK_OK;
    }
    char device[24];
    printf(
        "%s, %s part, %u samples: accuracy %.2f %%, macro F1 %.4f, cross entropy %.4f, %s per sample on the device\n",
        q->teacher ? "teacher" : "student", lbk_part_name(q->part), e->count, 100 * e->accuracy, e->macro_f1, e->loss,
        lbk_report_time(e->device_s_per_sample, device));
    return LBK_OK;
}

static lbk_status evaluate(lbk_session *s, const request *q, const char *weights) {
    lbk_network *net = q->teacher ? &s->teacher : &s->student;
    lbk_evaluation e = {0};
    if (!net->eval)
        return lbk_fail(LBK_ERR_INPUT, "--role: the experiment has no teacher");
    lbk_graph_destroy(net->train); /* evaluation needs no gradients */
    net->train = NULL;
    LBK_TRY(lbk_session_open(s));
    LBK_TRY(lbk_network_compile(net, s->devices[q->teacher ? 0 : 1]));
    LBK_TRY(lbk_weights_load(net->weights, weights, NULL));
    lbk_status status = lbk_evaluate(net, &s->experiment->data, q->part, &e);
    if (status == LBK_OK && q->logits)
        status = write_logits(q->logits, &e);
    if (status == LBK_OK)
        status = print_evaluation(q, &e);
    lbk_evaluation_release(&e);
    return status;
}

/* A run folder stands for its experiment.ini and its weights. */
static lbk_status find_files(const request *q, char **ini, char **weights) {
    *ini = *weights = NULL;
    if (!lbk_path_exists(q->path))
        return lbk_fail(LBK_ERR_IO, "there is no run folder and no experiment file \"%s\"", q->path);
    if (!lbk_path_is_folder(q->path)) {
        if (!q->weights)
            return lbk_fail(LBK_ERR_INPUT, "--weights is needed with an experiment file (a run folder has its own)");
        LBK_TRY(lbk_strdup(q->path, ini));
        return lbk_strdup(q->weights, weights);
    }
    LBK_TRY(lbk_path_join(q->path, "experiment.ini", ini));
    if (q->weights)
        return lbk_strdup(q->weights, weights);
    return lbk_path_join(q->path, q->teacher ? "teacher.safetensors" : "student.safetensors", weights);
}

static lbk_status eval_request(const request *q) {
    char *ini = NULL, *weights = NULL;
    lbk_experiment experiment;
    lbk_session session = {0};
    memset(&experiment, 0, sizeof experiment);
    lbk_status status = LBK_OK;
    LBK_GOTO(find_files(q, &ini, &weights));
    LBK_GOTO(lbk_experiment_load(&experiment, ini, q->sets, q->set_count));
    LBK_GOTO(lbk_session_prepare(&session, &experiment));
    LBK_GOTO(evaluate(&session, q, weights));
out:
    lbk_session_release(&session);
    lbk_experiment_release(&experiment);
    free(ini);
    free(weights);
    return status;
}

static lbk_status parse_part(const char *text, lbk_part *out) {
    *out = LBK_PART_TEST;
    if (!text)
        return LBK_OK;
    for (int p = LBK_PART_TRAIN; p <= LBK_PART_TEST; p++) {
        if (strcmp(text, lbk_part_name((lbk_part)p)) == 0) {
            *out = (lbk_part)p;
            return LBK_OK;
        }
    }
    return lbk_fail(LBK_ERR_INPUT, "--part: '%s' is none of train, validation, test", text);
}

static lbk_status parse_role(const char *text, bool *teacher) {
    *teacher = text && strcmp(text, "teacher") == 0;
    if (text && !*teacher && strcmp(text, "student") != 0)
        return lbk_fail(LBK_ERR_INPUT, "--role: '%s' is neither teacher nor student", text);
    return LBK_OK;
}

static lbk_status run_eval(lbk_args *args) {
    request q = {.json = lbk_args_flag(args, "--json")};
    const char *part, *role;
    lbk_status status = LBK_OK;
    LBK_GOTO(lbk_args_values(args, "--set", &q.sets, &q.set_count));
    LBK_GOTO(lbk_args_value(args, "--weights", &q.weights));
    LBK_GOTO(lbk_args_value(args, "--logits", &q.logits));
    LBK_GOTO(lbk_args_value(args, "--part", &part));
    LBK_GOTO(lbk_args_value(args, "--role", &role));
    LBK_GOTO(parse_part(part, &q.part));
    LBK_GOTO(parse_role(role, &q.teacher));
    LBK_GOTO(lbk_args_finish(args, 1, 1,
                             "limbeck eval FILE|RUN [--role teacher|student] [--weights FILE] [--part PART] "
                             "[--logits FILE] [--set section.key=value]... [--json]"));
    q.path = args->items[0];
    status = eval_request(&q);
out:
    free(q.sets);
    return status;
}

const lbk_command lbk_command_eval = {
    .name = "eval",
    .usage = "eval FILE|RUN [--role teacher|student] [--weights FILE] [--part train|validation|test] [--logits FILE] "
             "[--set section.key=value]... [--json]",
    .summary = "measure a network of an experiment, or of a run folder, on a part of the data",
    .help = "\n  --role ROLE      teacher or student (default)\n"
            "  --weights FILE   .safetensors, from here or from PyTorch (a run folder has its own)\n"
            "  --logits FILE    write logits and labels as .safetensors\n",
    .run = run_eval,
};
