/* What every entry of the op registry must have, and the reading of parameters. */
#include "ops/op.h"

#include <criterion/criterion.h>
#include <string.h>

static bool has_variant(const lbk_op *op, lbk_class cls) {
    for (const lbk_variant *v = op->variants; v->emit != NULL; v++)
        if (v->cls == cls && v->name != NULL)
            return true;
    return false;
}

Test(registry, every_op_is_whole) {
    for (const lbk_op *const *at = lbk_op_all(); *at != NULL; at++) {
        const lbk_op *op = *at;
        cr_assert_not_null(op->name);
        cr_expect(op->summary && op->formula && op->inputs && op->outputs, "%s lacks a text", op->name);
        cr_expect(op->infer && op->cost && op->reference, "%s lacks infer, cost or reference", op->name);
        cr_expect(has_variant(op, LBK_CLASS_GENERIC), "%s has no generic variant", op->name);
        cr_expect(op->example_count >= 3, "%s has %d examples", op->name, op->example_count);
        cr_expect(op->min_inputs >= 0 && op->max_inputs <= LBK_MAX_INPUTS && op->min_inputs <= op->max_inputs);
        cr_expect((op->params == NULL) == (op->params_size == 0), "%s: parameters without size", op->name);
        for (const lbk_param *p = op->params; p != NULL && p->name != NULL; p++)
            cr_expect(p->meaning != NULL && *p->meaning != '\0', "%s: %s has no meaning", op->name, p->name);
    }
}

Test(registry, names_are_unique_and_found) {
    size_t count = 0;
    for (const lbk_op *const *op = lbk_op_all(); *op != NULL; op++, count++)
        cr_expect(lbk_op_find((*op)->name) == *op, "%s is there twice", (*op)->name);
    cr_expect(count > 20);
    cr_expect_null(lbk_op_find("no_such_op"));
    cr_expect_null(lbk_op_find(""));
}

/* The largest output index the rest of the program may rely on is checked where outputs are made. */
Test(registry, examples_are_accepted) {
    for (const lbk_op *const *op = lbk_op_all(); *op != NULL; op++)
        for (int i = 0; i < (*op)->example_count; i++) {
            const lbk_op_example *example = &(*op)->examples[i];
            lbk_arena arena = {0};
            lbk_tensor_desc inputs[LBK_MAX_INPUTS];
            lbk_cost cost = {-1, -1};
            void *params;
            cr_assert(lbk_arena_alloc(&arena, (*op)->params_size + 1, &params) == LBK_OK);
            cr_expect(lbk_op_params_parse(*op, example->params, &arena, params) == LBK_OK, "%s", lbk_error_message());
            for (int k = 0; k < example->input_count; k++)
                inputs[k] = (lbk_tensor_desc){lbk_op_input_dtype(*op, k), example->input[k]};
            lbk_infer infer = {.params = params, .input_count = example->input_count, .input = inputs};
            cr_expect(lbk_op_infer(*op, &infer) == LBK_OK, "%s", lbk_error_message());
            cr_expect(infer.output_count >= 1 && infer.output_count <= LBK_MAX_OUTPUTS);
            (*op)->cost(&infer, &cost);
            cr_expect(cost.flops >= 0 && cost.bytes >= 0, "%s: cost", (*op)->name);
            lbk_arena_release(&arena);
        }
}

static lbk_status parse(const char *op, const char *text) {
    char values[256];
    lbk_arena arena = {0};
    lbk_error_clear();
    lbk_status status = lbk_op_params_parse(lbk_op_find(op), text, &arena, values);
    lbk_arena_release(&arena);
    return status;
}

static void refused(const char *op, const char *text, const char *part) {
    cr_expect(parse(op, text) == LBK_ERR_INPUT, "%s '%s' was accepted", op, text);
    cr_expect(strstr(lbk_error_message(), part) != NULL, "'%s' does not say '%s'", lbk_error_message(), part);
}

Test(registry, params) {
    cr_expect(parse("max_pool2d", " kernel=3\tstride=2  padding=1 ") == LBK_OK, "%s", lbk_error_message());
    cr_expect(parse("relu", "") == LBK_OK);
    cr_expect(parse("relu", NULL) == LBK_OK);
    refused("max_pool2d", "", "kernel");
    refused("max_pool2d", "kernel=3 kernel=3", "twice");
    refused("max_pool2d", "kernel=3 strid=2", "stride");
    refused("max_pool2d", "kernel=0", "kernel");
    refused("max_pool2d", "kernel", "key=value");
    refused("relu", "kernel=3", "none");
    refused("dropout", "p=1.5", "p");
}
