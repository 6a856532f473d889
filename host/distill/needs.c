/* Which layers a method compares. */
#include "distill/method.h"

#include <stdlib.h>
#include <string.h>

static lbk_status no_node(const lbk_side *side, const char *name) {
    const char **names = NULL;
    LBK_TRY(lbk_calloc(side->built->tap_count + 1, sizeof *names, &names));
    for (size_t i = 0; i < side->built->tap_count; i++)
        names[i] = side->built->taps[i].name;
    const char *near = lbk_nearest(name, names, side->built->tap_count);
    lbk_status status =
        near ? lbk_fail(LBK_ERR_INPUT, "the %s has no node \"%s\"; did you mean \"%s\"?", side->label, name, near)
             : lbk_fail(LBK_ERR_INPUT, "the %s has no node \"%s\"", side->label, name);
    free(names);
    return status;
}

static lbk_status named(const lbk_side *side, const char *name, lbk_tap *out) {
    for (size_t i = 0; i < side->built->tap_count; i++)
        if (strcmp(side->built->taps[i].name, name) == 0) {
            *out = side->built->taps[i];
            return LBK_OK;
        }
    return no_node(side, name);
}

static lbk_status add(lbk_needs *needs, lbk_tap student, lbk_tap teacher) {
    if (needs->pair_count == LBK_MAX_PAIRS)
        return lbk_fail(LBK_ERR_INPUT, "layers: more than %d pairs", LBK_MAX_PAIRS);
    needs->pair[needs->pair_count++] = (lbk_pair){student, teacher};
    return LBK_OK;
}

static lbk_status feature_of(const lbk_side *side, lbk_tap *out) {
    *out = lbk_model_feature(side->graph, side->built);
    return out->value != LBK_NONE
               ? LBK_OK
               : lbk_fail(LBK_ERR_INPUT, "layers: the %s does not end in a dense layer, so it has no \"feature\"",
                          side->label);
}

/* One of the word "a:b" or "a". */
static lbk_status add_named(lbk_needs *needs, const char *word, const lbk_side *student, const lbk_side *teacher) {
    char own[128];
    const char *colon = strchr(word, ':');
    size_t length = colon ? (size_t)(colon - word) : strlen(word);
    lbk_tap a, b;
    if (!length || length >= sizeof own || (colon && !colon[1]))
        return lbk_fail(LBK_ERR_INPUT, "layers: expected STUDENT_NODE:TEACHER_NODE, found \"%s\"", word);
    memcpy(own, word, length);
    own[length] = '\0';
    LBK_TRY(named(student, own, &a));
    LBK_TRY(named(teacher, colon ? colon + 1 : own, &b));
    return add(needs, a, b);
}

typedef struct both_stages {
    lbk_tap student[LBK_MODEL_STAGES], teacher[LBK_MODEL_STAGES];
    int student_count, teacher_count, count; /* count: pairs */
} both_stages;

static lbk_status find_stages(const lbk_side *student, const lbk_side *teacher, both_stages *s) {
    LBK_TRY(lbk_model_stages(student->graph, student->built, s->student, &s->student_count));
    LBK_TRY(lbk_model_stages(teacher->graph, teacher->built, s->teacher, &s->teacher_count));
    s->count = s->student_count < s->teacher_count ? s->student_count : s->teacher_count;
    return s->count ? LBK_OK
                    : lbk_fail(LBK_ERR_INPUT, "layers: the %s has no stages; name nodes",
                               s->student_count ? teacher->label : student->label);
}

/* Pair `i` of the stages, counted from 0 at the front of the shorter network. */
static lbk_status add_stage(lbk_needs *needs, const both_stages *s, int i) {
    return add(needs, s->student[s->student_count - s->count + i], s->teacher[s->teacher_count - s->count + i]);
}

/* All stages of the shorter network, each with that at the same share of the other's depth. */
static lbk_status add_spread(lbk_needs *needs, const both_stages *s) {
    for (int i = 1; i <= s->count; i++)
        LBK_TRY(add(needs, s->student[i * s->student_count / s->count - 1],
                    s->teacher[i * s->teacher_count / s->count - 1]));
    return LBK_OK;
}

static lbk_status add_word(lbk_needs *needs, const char *word, const lbk_side *student, const lbk_side *teacher) {
    both_stages s;
    long long number;
    bool all = strcmp(word, "stages") == 0, last = strcmp(word, "last") == 0, spread = strcmp(word, "spread") == 0;
    bool counted = lbk_parse_int(word, &number);
    if (strcmp(word, "feature") == 0) {
        lbk_tap a, b;
        LBK_TRY(feature_of(student, &a));
        LBK_TRY(feature_of(teacher, &b));
        return add(needs, a, b);
    }
    if (!all && !last && !spread && !counted)
        return add_named(needs, word, student, teacher);
    LBK_TRY(find_stages(student, teacher, &s));
    if (counted && (number < 1 || number > s.count))
        return lbk_fail(LBK_ERR_INPUT, "layers: there is no stage %lld, only 1 to %d", number, s.count);
    for (int i = 0; i < s.count && !spread; i++)
        if (all || (last ? i == s.count - 1 : i == number - 1))
            LBK_TRY(add_stage(needs, &s, i));
    return spread ? add_spread(needs, &s) : LBK_OK;
}

lbk_status lbk_needs_layers(lbk_needs *needs, const lbk_words *layers, const lbk_side *student,
                            const lbk_side *teacher) {
    if (!layers->count)
        return lbk_fail(LBK_ERR_INPUT, "layers: expected at least one");
    for (int i = 0; i < layers->count; i++)
        LBK_TRY(add_word(needs, layers->items[i], student, teacher));
    return LBK_OK;
}

lbk_status lbk_needs_successive(lbk_needs *needs, const lbk_words *layers, const lbk_side *student,
                                const lbk_side *teacher) {
    LBK_TRY(lbk_needs_layers(needs, layers, student, teacher));
    return needs->pair_count >= 2 ? LBK_OK
                                  : lbk_fail(LBK_ERR_INPUT, "layers: expected at least two, found \"%s\" alone",
                                             needs->pair[0].student.name);
}

lbk_status lbk_needs_last(const lbk_side *student, const lbk_side *teacher, lbk_pair *out) {
    both_stages s;
    LBK_TRY(find_stages(student, teacher, &s));
    *out = (lbk_pair){s.student[s.student_count - 1], s.teacher[s.teacher_count - 1]};
    return LBK_OK;
}

void lbk_needs_before_activation(lbk_needs *needs, const lbk_side *student, const lbk_side *teacher) {
    for (int i = 0; i < needs->pair_count; i++) {
        lbk_pair *pair = &needs->pair[i];
        pair->student.value = lbk_model_before_activation(student->graph, pair->student.value);
        pair->teacher.value = lbk_model_before_activation(teacher->graph, pair->teacher.value);
    }
}

lbk_status lbk_needs_extra(lbk_needs *needs, const char *name, lbk_value value) {
    if (needs->extra_count == LBK_MAX_EXTRAS)
        return lbk_fail(LBK_ERR_INPUT, "more than %d tensors of the teacher besides layers", LBK_MAX_EXTRAS);
    needs->extra[needs->extra_count++] = (lbk_tap){.name = name, .value = value};
    return LBK_OK;
}

lbk_status lbk_needs_classifier(lbk_needs *needs, const lbk_side *teacher) {
    lbk_value weight, bias;
    lbk_model_classifier(teacher->graph, teacher->built, &weight, &bias);
    if (weight == LBK_NONE)
        return lbk_fail(LBK_ERR_INPUT, "the %s does not end in a dense layer, so it has no classifier", teacher->label);
    LBK_TRY(lbk_needs_extra(needs, lbk_graph_info(teacher->graph, weight)->name, weight));
    return bias == LBK_NONE ? LBK_OK : lbk_needs_extra(needs, lbk_graph_info(teacher->graph, bias)->name, bias);
}
