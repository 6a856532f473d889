/* Activations kept in 16 bits: which, how much memory that leaves, and whether a device does it right. */
#include "device/program.h"
#include "graph/half_check.h"
#include "helpers/chain.h"
#include "helpers/little_net.h"
#include "support/scratch.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static void must(lbk_status status) {
    cr_assert_eq(status, LBK_OK, "%s", lbk_error_message());
}

/* Half of the bytes of every activation, but for the few last ones, which are read again at once, and those under way. */
Test(storage, halves_what_a_chain_keeps) {
    enum { DEPTH = 100, FEW = 10 };
    lbk_graph *kept = chain_build(DEPTH, LBK_F32), *packed = chain_build(DEPTH, LBK_F16);
    must(lbk_graph_store(packed, packed->value_count));
    double saved = (double)chain_bytes(kept) - (double)chain_bytes(packed), half = 2.0 * CHAIN_ELEMENTS;
    cr_expect(saved > (DEPTH - FEW) * half && saved < DEPTH * half, "%g of %g", saved / half, (double)DEPTH);
    lbk_graph_destroy(kept);
    lbk_graph_destroy(packed);
}

static bool reads(const lbk_node *node, lbk_value v) {
    for (int i = 0; i < node->input_count; i++)
        if (node->input[i] == v)
            return true;
    return false;
}

/* Nobody behind the last forward reader, which comes next, holds on to v. */
static void expect_let_go(const lbk_graph *g, size_t pack) {
    lbk_value v = g->nodes[pack].input[0];
    for (size_t n = pack + 1; n < g->node_count; n++)
        if (reads(&g->nodes[n], v))
            cr_expect(!g->nodes[n].backward, "%s reads what was packed", g->nodes[n].op->name);
}

/* Outputs of layers, not the statistics of batch norms, nor what cross entropy makes. */
Test(storage, packs_activations_alone) {
    little_net net;
    int packed = 0, unpacked = 0;
    little_net_build_stored(&net, LBK_BF16);
    const lbk_graph *g = net.graph;
    for (size_t n = 0; n < g->node_count; n++) {
        const char *op = g->nodes[n].op->name;
        unpacked += strcmp(op, "unpack_bfloat16") == 0;
        cr_expect_eq(strstr(op, "_float16"), NULL);
        if (strcmp(op, "pack_bfloat16") != 0)
            continue;
        const lbk_value_info *info = lbk_graph_info(g, g->nodes[n].input[0]);
        const char *from = g->nodes[info->node].op->name;
        packed++;
        cr_expect(strcmp(from, "conv2d") == 0 || strcmp(from, "batch_norm") == 0, "%s", from);
        cr_expect_eq(info->output, 0);
        expect_let_go(g, n);
    }
    cr_expect_geq(packed, 3);
    cr_expect_geq(unpacked, packed);
    lbk_graph_destroy(net.graph);
}

Test(storage, must_be_said_before_differentiating) {
    lbk_graph *g = chain_build(2, LBK_F32);
    cr_expect_eq(lbk_graph_store(g, g->value_count), LBK_ERR_INTERNAL);
    lbk_graph_destroy(g);
}

static void each_class(void (*check)(lbk_device *device)) {
    static const char *const classes[] = {"cpu", "gpu", "generic"};
    lbk_device_list list;
    must(lbk_device_list_init(&list));
    cr_assert_gt(list.count, 0, "no OpenCL device");
    for (int c = 0; c < 3; c++) {
        lbk_device *device;
        must(lbk_device_open(&list, &(lbk_device_spec){.info = 0}, &(lbk_open_options){.cls = classes[c]}, 1, &device));
        check(device);
        lbk_device_close(device);
    }
    lbk_device_list_release(&list);
}

static void expect_right(lbk_device *device) {
    must(lbk_half_check(device, LBK_F16));
    must(lbk_half_check(device, LBK_BF16));
}

Test(storage, the_device_passes_the_check) {
    each_class(expect_right);
}

static void expect_wrong(lbk_device *device) {
    static const lbk_dtype types[] = {LBK_F16, LBK_BF16};
    for (int i = 0; i < 2; i++) {
        cr_expect_eq(lbk_half_check(device, types[i]), LBK_ERR_DEVICE);
        const char *message = lbk_error_message();
        cr_expect(strstr(message, device->info.name) && strstr(message, " keeps ") && strstr(message, "expected"), "%s",
                  message);
    }
}

/* The kernels with every `from` as `to`, which is as long. */
static void write_kernels(scratch *folder, const char *const (*changes)[2], int count) {
    char *text = strdup(lbk_kernel_source("generic/pack"));
    for (int i = 0; i < count; i++)
        for (char *at = text; (at = strstr(at, changes[i][0])) != NULL;)
            memcpy(at, changes[i][1], strlen(changes[i][1]));
    cr_assert_eq(mkdir(scratch_path(folder, "generic"), 0755), 0);
    scratch_write(folder, "generic/pack.cl", text, strlen(text));
    free(text);
}

/* A device that cuts off in place of rounding, and one that rounds ties up. */
Test(storage, a_device_that_rounds_otherwise_fails_the_check) {
    static const char *const changes[][2] = {{"_rte", "_rtz"},
                                             {"0x7fffu + ((bits) >> 16 & 1u)", "0x8000u + ((bits) >> 31 & 0u)"}};
    scratch folder;
    scratch_make(&folder);
    write_kernels(&folder, changes, 2);
    setenv("LIMBECK_KERNELS", folder.folder, 1);
    each_class(expect_wrong);
    unsetenv("LIMBECK_KERNELS");
    scratch_remove(&folder);
}
