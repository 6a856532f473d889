#include "cli/synthetic.h"

#include "cli/bench.h"
#include "model/model.h"
#include "place/place.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static lbk_status set(lbk_settings *l, const char *fmt, ...) LBK_PRINTF(2, 3);
static lbk_status set(lbk_settings *l, const char *fmt, ...) {
    char text[1024];
    va_list args;
    LBK_ENSURE(l->count < LBK_MOST_SETTINGS);
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    return lbk_arena_strdup(&l->arena, text, &l->items[l->count++]);
}

static lbk_status set_image(const lbk_synthetic *s, lbk_settings *out) {
    LBK_TRY(set(out, "data.dataset=synthetic"));
    LBK_TRY(set(out, "data.height=%lld", (long long)s->height));
    LBK_TRY(set(out, "data.width=%lld", (long long)s->width));
    return set(out, "data.channels=%lld", (long long)s->channels);
}

/* "tokens:128:i32 mask:128:i32" */
static lbk_status print_inputs(const lbk_model_input *inputs, int count, lbk_text *out) {
    for (int i = 0; i < count; i++) {
        const lbk_shape *shape = &inputs[i].desc.shape;
        LBK_TRY(lbk_text_printf(out, "%s%s", i ? " " : "", inputs[i].name));
        for (int d = 1; d < shape->rank; d++)
            LBK_TRY(lbk_text_printf(out, "%c%lld", d == 1 ? ':' : 'x', (long long)shape->dim[d]));
        LBK_TRY(lbk_text_printf(out, ":%s", inputs[i].desc.dtype == LBK_I32 ? "i32" : "f32"));
    }
    return LBK_OK;
}

static lbk_status set_inputs(const lbk_model *model, const lbk_model_use *use, lbk_settings *out) {
    lbk_model_input inputs[LBK_MODEL_INPUTS];
    long long vocabulary;
    lbk_text text = {0};
    bool known = false;
    int count = 0;
    LBK_TRY(lbk_model_inputs(model, use, inputs, &count));
    LBK_TRY(lbk_model_parameter_value(model, use, "vocabulary", &known, &vocabulary));
    LBK_TRY(set(out, "data.dataset=random"));
    lbk_status status = print_inputs(inputs, count, &text);
    if (status == LBK_OK)
        status = set(out, "data.inputs=%s", text.data);
    lbk_text_release(&text);
    return status == LBK_OK && known ? set(out, "data.vocabulary=%lld", vocabulary) : status;
}

/* What the user says of the student's own parameters; NULL: nothing. */
static const char *overrides_find(const char *const *sets, size_t count) {
    static const char key[] = "student.parameters=";
    const char *found = NULL;
    for (size_t i = 0; i < count; i++)
        if (strncmp(sets[i], key, strlen(key)) == 0)
            found = sets[i] + strlen(key);
    return found;
}

/* What the student reads. */
static lbk_status set_data(const lbk_synthetic *s, const char *const *sets, size_t count, lbk_settings *out) {
    lbk_model_use use = {
        .batch = 1, .classes = (int)s->classes, .step = LBK_NONE, .overrides = overrides_find(sets, count)};
    lbk_model model;
    LBK_TRY(lbk_model_load(&model, s->student, NULL));
    lbk_status status = LBK_OK;
    if (lbk_model_reads_image(&model))
        status = set_image(s, out);
    else if (s->image)
        status = lbk_fail(LBK_ERR_INPUT, "--image: %s reads no image", model.name);
    else
        status = set_inputs(&model, &use, out);
    lbk_model_release(&model);
    return status;
}

lbk_status lbk_synthetic_settings(const lbk_synthetic *s, const char *const *sets, size_t count, lbk_settings *out) {
    LBK_TRY(set(out, "experiment.name=bench"));
    LBK_TRY(set(out, "experiment.schedule=%s", s->schedule ? s->schedule : "concurrent"));
    LBK_TRY(set(out, "experiment.control=%s", s->distil ? "no" : "yes"));
    LBK_TRY(set_data(s, sets, count, out));
    const char *overrides = overrides_find(sets, count);
    if (!s->distil && overrides) /* the teacher, which nobody asks, reads the same data */
        LBK_TRY(set(out, "teacher.parameters=%s", overrides));
    LBK_TRY(set(out, "data.classes=%lld", (long long)s->classes));
    LBK_TRY(set(out, "data.train=%lld", (long long)(s->batch * s->steps)));
    LBK_TRY(set(out, "data.test=1"));
    LBK_TRY(set(out, "data.batch=%lld", (long long)s->batch));
    LBK_TRY(set(out, "teacher.model=%s", s->teacher));
    LBK_TRY(set(out, "student.model=%s", s->student));
    LBK_TRY(set(out, "student.epochs=1"));
    LBK_TRY(set(out, "student.lr=0.001"));
    LBK_TRY(set(out, "distill.methods=kd"));
    if (s->teacher_device)
        LBK_TRY(set(out, "teacher.device=%s", s->teacher_device));
    if (s->student_device)
        LBK_TRY(set(out, "student.device=%s", s->student_device));
    for (size_t i = 0; i < count; i++)
        LBK_TRY(set(out, "%s", sets[i]));
    return LBK_OK;
}

/* "32x32x3" */
static lbk_status parse_image(const char *text, lbk_synthetic *s) {
    lbk_shape shape = {.rank = 3, .dim = {32, 32, 3}};
    if (text)
        LBK_TRY(lbk_bench_shape(text, &shape));
    if (shape.rank != 3)
        return lbk_fail(LBK_ERR_INPUT, "--image: expected height x width x channels, like 32x32x3");
    s->height = shape.dim[0];
    s->width = shape.dim[1];
    s->channels = shape.dim[2];
    return LBK_OK;
}

lbk_status lbk_synthetic_args(lbk_args *args, lbk_synthetic *s, const char ***sets, size_t *set_count) {
    const char *image;
    LBK_TRY(lbk_args_value(args, "--image", &image));
    s->image = image != NULL;
    LBK_TRY(lbk_args_int(args, "--batch", 128, 1, 1 << 20, &s->batch));
    LBK_TRY(lbk_args_int(args, "--classes", 10, 2, 256, &s->classes));
    LBK_TRY(lbk_args_values(args, "--set", sets, set_count));
    return parse_image(image, s);
}

/* A network that trains alone has the whole of its device. */
static lbk_status best_device(char *text, size_t size) {
    lbk_device_list list;
    lbk_device_spec spec;
    LBK_TRY(lbk_device_list_init(&list));
    lbk_status status = lbk_place_best(&list, &spec);
    if (status == LBK_OK)
        snprintf(text, size, "%d.%d", list.items[spec.info].platform_index, list.items[spec.info].device_index);
    lbk_device_list_release(&list);
    return status;
}

lbk_status lbk_synthetic_alone(lbk_synthetic *s, const char *model, const char *device, char *text, size_t size) {
    s->distil = false;
    s->teacher = s->student = model;
    snprintf(text, size, "%s", device ? device : "");
    if (!device)
        LBK_TRY(best_device(text, size));
    s->teacher_device = s->student_device = text;
    return LBK_OK;
}
