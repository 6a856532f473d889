/* The roofline. */
#include "device/helpers/sandbox.h"
#include "device/peak.h"

static void enter(void) {
    sandbox_enter(0);
}

TestSuite(peak, .init = enter, .fini = sandbox_leave);

Test(peak, the_slower_of_two) {
    lbk_peak peak = {.flops = 100, .bytes = 10};
    cr_expect_float_eq(lbk_peak_seconds(&peak, 1000, 1), 10, 1e-12);
    cr_expect_float_eq(lbk_peak_seconds(&peak, 1000, 200), 20, 1e-12);
    cr_expect_float_eq(lbk_peak_seconds(&peak, 0, 0), 0, 1e-12);
}

/* The bounds are those of any device under any load: a wrong unit or a time of zero is outside. */
Test(peak, measured) {
    lbk_device *device = sandbox_open("0.0", NULL);
    lbk_peak peak = {0, 0};
    OK(lbk_peak_measure(device, &peak));
    cr_expect(peak.flops > 1e6 && peak.flops < 1e15, "%g", peak.flops);
    cr_expect(peak.bytes > 1e6 && peak.bytes < 1e14, "%g", peak.bytes);
    cr_expect_eq(device->allocated_bytes, 0);
    lbk_device_close(device);
}
