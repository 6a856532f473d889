/* Specs against a made-up list of devices. */
#include "device/helpers/sandbox.h"

#include <stdio.h>
#include <string.h>

static lbk_device_info made_up(int platform, int device, const char *name, cl_device_type type, lbk_class cls,
                               uint32_t units, uint32_t max_sub_devices) {
    lbk_device_info info = {.platform_index = platform, .device_index = device};
    snprintf(info.name, sizeof info.name, "%s", name);
    snprintf(info.platform_name, sizeof info.platform_name, "Platform %d", platform);
    info.caps.type = type;
    info.caps.cls = cls;
    info.caps.compute_units = units;
    info.caps.max_sub_devices = max_sub_devices;
    return info;
}

static lbk_device_info items[5];
static lbk_device_list list = {.items = items, .count = 5};

static void setup(void) {
    items[0] = made_up(0, 0, "Soft CPU", CL_DEVICE_TYPE_CPU, LBK_CLASS_GENERIC, 8, 0);
    items[1] = made_up(1, 0, "Wide CPU", CL_DEVICE_TYPE_CPU, LBK_CLASS_CPU, 7, 7);
    items[2] = made_up(1, 1, "Lone Core", CL_DEVICE_TYPE_CPU, LBK_CLASS_CPU, 1, 1);
    items[3] = made_up(2, 0, "Radiant 9", CL_DEVICE_TYPE_GPU, LBK_CLASS_GPU, 40, 0);
    items[4] = made_up(2, 1, "Radiant 9 X", CL_DEVICE_TYPE_GPU, LBK_CLASS_GPU, 60, 0);
    list.problem[0] = '\0';
}

TestSuite(spec, .init = setup);

static void expect(const char *text, int info, int part, int parts) {
    lbk_device_spec spec;
    OK(lbk_device_spec_parse(&list, text, &spec));
    cr_expect_eq(spec.info, info, "%s: device %d", text, spec.info);
    cr_expect_eq(spec.part, part, "%s: part %d", text, spec.part);
    cr_expect_eq(spec.parts, parts, "%s: parts %d", text, spec.parts);
}

Test(spec, words_numbers_and_names) {
    expect("cpu", 1, 0, 0); /* the one with kernels of its class, though it comes second */
    expect(" CPU ", 1, 0, 0);
    expect("gpu", 3, 0, 0);
    expect("0.0", 0, 0, 0);
    expect("2.1", 4, 0, 0);
    expect("wide", 1, 0, 0);
    expect("9 x", 4, 0, 0);
    expect("lone core", 2, 0, 0);
}

Test(spec, parts) {
    expect("1.0/1 of 2", 1, 0, 2);
    expect("1.0/2 of 2", 1, 1, 2);
    expect("cpu/3 of 7", 1, 2, 7);
    expect("Wide CPU / 2of3", 1, 1, 3);
    expect("1.1/1 of 1", 2, 0, 0); /* the whole, also of a device that cannot be split */
}

Test(spec, parts_share_all_units_evenly) {
    lbk_device_spec spec;
    OK(lbk_device_spec_parse(&list, "1.0/2 of 3", &spec));
    cr_expect_eq(spec.counts[0], 3);
    cr_expect_eq(spec.counts[1], 2);
    cr_expect_eq(spec.counts[2], 2);
    cr_expect_eq(spec.counts[3], 0);
}

#define ALL                                                                                                            \
    "\n  0.0 Soft CPU (Platform 0, class generic, 8 compute units)"                                                    \
    "\n  1.0 Wide CPU (Platform 1, class cpu, 7 compute units)"                                                        \
    "\n  1.1 Lone Core (Platform 1, class cpu, 1 compute unit)"                                                        \
    "\n  2.0 Radiant 9 (Platform 2, class gpu, 40 compute units)"                                                      \
    "\n  2.1 Radiant 9 X (Platform 2, class gpu, 60 compute units)"
#define FORMS "expected cpu, gpu, accelerator, P.D, part of a device's name, or one of these followed by /K of N"
#define PART(text, part)                                                                                               \
    "device \"" text "\": cannot read \"" part "\"; a part is written K of N with 1 <= K <= N, e.g. 0.0/1 of 2"

static const struct {
    const char *text, *message;
} bad[] = {
    {"", "device \"\": " FORMS},
    {"   ", "device \"   \": " FORMS},
    {"/1 of 2", "device \"/1 of 2\": " FORMS},
    {"auto", "device \"auto\": the placement chooses devices by itself; name one here"},
    {"AUTO", "device \"auto\": the placement chooses devices by itself; name one here"},
    {"accelerator", "no device of type accelerator; there is:" ALL},
    {"3.0", "no device 3.0; there is:" ALL},
    {"1.2", "no device 1.2; there is:" ALL},
    {"-1.0", "no device -1.0; there is:" ALL},
    {"1.0x", "no device has \"1.0x\" in its name; there is:" ALL},
    {"1", "no device has \"1\" in its name; there is:" ALL},
    {"gpu0", "no device has \"gpu0\" in its name; there is:" ALL},
    {"radiant", "device \"radiant\" is the name of 2 devices; say which by its number:"
                "\n  2.0 Radiant 9 (Platform 2, class gpu, 40 compute units)"
                "\n  2.1 Radiant 9 X (Platform 2, class gpu, 60 compute units)"},
    {"1.0/", PART("1.0/", "")},
    {"1.0/1", PART("1.0/1", "1")},
    {"1.0/0 of 2", PART("1.0/0 of 2", "0 of 2")},
    {"1.0/3 of 2", PART("1.0/3 of 2", "3 of 2")},
    {"1.0/-1 of 2", PART("1.0/-1 of 2", "-1 of 2")},
    {"1.0/1 of 2x", PART("1.0/1 of 2x", "1 of 2x")},
    {"1.0/1 of 0x2", PART("1.0/1 of 0x2", "1 of 0x2")},
    {"1.0/one of two", PART("1.0/one of two", "one of two")},
    {"1.0/1 of 99999999999999999999", PART("1.0/1 of 99999999999999999999", "1 of 99999999999999999999")},
    {"1.0/1 of 8", "device \"1.0/1 of 8\": 1.0 has 7 compute units and can be split into at most 7 parts"},
    {"1.1/1 of 2", "device \"1.1/1 of 2\": 1.1 has one compute unit and cannot be split"},
    {"gpu/1 of 2", "device \"gpu/1 of 2\": 2.0 (Radiant 9) cannot be split by its driver"},
    {"9.9/1 of 2", "no device 9.9; there is:" ALL},
};

Test(spec, refusals) {
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        lbk_device_spec spec;
        cr_expect_eq(lbk_device_spec_parse(&list, bad[i].text, &spec), LBK_ERR_INPUT, "\"%s\"", bad[i].text);
        cr_expect_str_eq(lbk_error_message(), bad[i].message, "got: %s", lbk_error_message());
    }
}

Test(spec, more_parts_than_a_spec_holds) {
    lbk_device_spec spec;
    items[1].caps.compute_units = items[1].caps.max_sub_devices = 128;
    cr_expect_eq(lbk_device_spec_parse(&list, "cpu/1 of 65", &spec), LBK_ERR_INPUT);
    cr_expect_str_eq(lbk_error_message(),
                     "device \"cpu/1 of 65\": 1.0 has 128 compute units and can be split into at most 64 parts");
    expect("cpu/64 of 64", 1, 63, 64);
}

Test(spec, very_long_text) {
    char text[1000];
    lbk_device_spec spec;
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    cr_expect_eq(lbk_device_spec_parse(&list, text, &spec), LBK_ERR_INPUT);
    cr_expect(strstr(lbk_error_message(), FORMS) != NULL);
}

Test(spec, empty_list_and_problems_are_told) {
    lbk_device_list none = {0};
    lbk_device_spec spec;
    cr_expect_eq(lbk_device_spec_parse(&none, "gpu", &spec), LBK_ERR_INPUT);
    cr_expect_str_eq(lbk_error_message(), "no device of type gpu; there is: no OpenCL device at all");
    snprintf(none.problem, sizeof none.problem, "platform 0 was skipped: clGetDeviceIDs: CL_OUT_OF_RESOURCES");
    cr_expect_eq(lbk_device_spec_parse(&none, "0.0", &spec), LBK_ERR_INPUT);
    cr_expect_str_eq(lbk_error_message(), "no device 0.0; there is: no OpenCL device at all\n"
                                          "  (platform 0 was skipped: clGetDeviceIDs: CL_OUT_OF_RESOURCES)");
}
