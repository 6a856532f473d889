#include "train/leftover.h"

#include "base/file.h"
#include "train/checkpoint.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Networks of the session in the order in which they are trained. */
static int list_phases(lbk_session *s, lbk_network **out) {
    int count = 0;
    out[count++] = &s->teacher;
    for (int i = 0; i < s->more_teacher_count; i++)
        out[count++] = &s->more_teachers[i];
    for (int i = 0; i < s->learner_count; i++)
        out[count++] = &s->learners[i];
    out[count++] = &s->student;
    out[count++] = &s->control;
    return count;
}

/* What is left of the phases behind this one, which learned from less of it, or stand behind it in metrics.jsonl. */
static lbk_status forget_later(const lbk_run_folder *folder, lbk_session *session, const lbk_network *net) {
    lbk_network *phases[LBK_MAX_TEACHERS + LBK_MAX_LEARNERS + 2];
    int count = list_phases(session, phases), i = 0;
    while (i < count && phases[i] != net)
        i++;
    for (i++; i < count; i++)
        for (int k = 0; k < 2 && phases[i]->label; k++) {
            char *path = NULL;
            LBK_TRY(lbk_run_weights_path(folder->path, k ? "checkpoint/" : "", phases[i]->label, "", &path));
            unlink(path);
            free(path);
        }
    return LBK_OK;
}

static lbk_status recover_from(lbk_run_folder *folder, lbk_session *session, lbk_network *net, const char *path,
                               const char *checkpoint, int64_t total, bool *finished, int64_t *first_step) {
    int64_t steps = total;
    long bytes = 0;
    bool weights = lbk_path_exists(path), saved = lbk_path_exists(checkpoint);
    if (saved)
        LBK_TRY(lbk_checkpoint_steps(checkpoint, &steps));
    *finished = weights && steps >= total;
    if (*finished)
        return lbk_weights_load(net->weights, path, NULL);
    if (weights)
        LBK_TRY(forget_later(folder, session, net));
    if (!saved)
        return LBK_OK;
    LBK_TRY(lbk_checkpoint_load(net, checkpoint, first_step, &bytes));
    return lbk_run_folder_metrics(folder, bytes);
}

lbk_status lbk_leftover_recover(lbk_run_folder *folder, lbk_session *session, lbk_network *net, int64_t total,
                                bool *finished, int64_t *first_step) {
    char *path = NULL, *checkpoint = NULL;
    lbk_status status = LBK_OK;
    LBK_GOTO(lbk_run_weights_path(folder->path, "", net->label, "", &path));
    LBK_GOTO(lbk_run_weights_path(folder->path, "checkpoint/", net->label, "", &checkpoint));
    status = recover_from(folder, session, net, path, checkpoint, total, finished, first_step);
out:
    free(path);
    free(checkpoint);
    return status;
}

lbk_status lbk_leftover_drop_lines(lbk_run_folder *folder, const char *phase) {
    char *path = NULL, *text = NULL;
    size_t length, keep = 0;
    lbk_text mark = {0};
    lbk_status status = LBK_OK;
    LBK_GOTO(lbk_run_folder_file(folder, "metrics.jsonl", &path));
    LBK_GOTO(lbk_text_printf(&mark, "{\"phase\":\"%s\"", phase));
    if (lbk_path_exists(path)) {
        LBK_GOTO(lbk_file_read(path, &text, &length));
        char *found = strstr(text, mark.data), *last = strrchr(text, '\n');
        keep = found ? (size_t)(found - text) : last ? (size_t)(last + 1 - text) : 0;
    }
    LBK_GOTO(lbk_run_folder_metrics(folder, (long)keep));
out:
    free(path);
    free(text);
    lbk_text_release(&mark);
    return status;
}
