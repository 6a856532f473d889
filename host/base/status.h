/* Result codes and the error chain.
 *
 * Every fallible call returns lbk_status. The first failure calls lbk_fail() with what was tried and what was
 * expected; callers that know more (which file, which layer, which device) prepend it with lbk_context(). The chain is
 * per thread and reads from the outside in: "experiments/x.ini:12: [teacher] model: models/y.ini:4: unknown op ...".
 * Nothing but host/cli prints it or exits. */
#ifndef LBK_BASE_STATUS_H
#define LBK_BASE_STATUS_H

typedef enum lbk_status {
    LBK_OK = 0,
    LBK_ERR_INPUT,       /* the user's file, key, value or option; exit status 2 */
    LBK_ERR_IO,          /* reading or writing a file; exit status 3 */
    LBK_ERR_DEVICE,      /* an OpenCL call or a device; exit status 4 */
    LBK_ERR_MEMORY,      /* host memory; exit status 5 */
    LBK_ERR_UNSUPPORTED, /* valid, but this device or build cannot do it; exit status 6 */
    LBK_ERR_INTERRUPTED, /* SIGINT or SIGTERM; exit status 130 */
    LBK_ERR_INTERNAL,    /* a broken invariant of ours; exit status 70 */
} lbk_status;

#if defined(__GNUC__)
#define LBK_PRINTF(f, a) __attribute__((format(printf, f, a)))
#else
#define LBK_PRINTF(f, a)
#endif

/* Sets this thread's message (replacing any earlier one) and returns `code`. Never call it with LBK_OK. */
lbk_status lbk_fail(lbk_status code, const char *fmt, ...) LBK_PRINTF(2, 3);

/* Prepends "<fmt>: " to this thread's message and returns `code` unchanged; does nothing when `code` is LBK_OK. */
lbk_status lbk_context(lbk_status code, const char *fmt, ...) LBK_PRINTF(2, 3);

/* This thread's message; "" when nothing failed since lbk_error_clear(). Valid until the next failing call. */
const char *lbk_error_message(void);
void lbk_error_clear(void);

/* To carry a failure from one thread to another: copy the message out, then lbk_fail(code, "%s", copy) over there. */

/* "input error", "device error", ... */
const char *lbk_status_name(lbk_status code);
/* The process exit status that stands for `code` (0 for LBK_OK). */
int lbk_status_exit_code(lbk_status code);

/* Returns from the calling function when `expr` failed. */
#define LBK_TRY(expr)                                                                                                  \
    do {                                                                                                               \
        lbk_status lbk_try_status_ = (expr);                                                                           \
        if (lbk_try_status_ != LBK_OK)                                                                                 \
            return lbk_try_status_;                                                                                    \
    } while (0)

/* For functions with things to release: stores the failure in the local `status` and jumps to the local label `out`. */
#define LBK_GOTO(expr)                                                                                                 \
    do {                                                                                                               \
        status = (expr);                                                                                               \
        if (status != LBK_OK)                                                                                          \
            goto out;                                                                                                  \
    } while (0)

/* A condition of our own that must hold whatever the user does; reports file and line. */
#define LBK_ENSURE(cond)                                                                                               \
    do {                                                                                                               \
        if (!(cond))                                                                                                   \
            return lbk_fail(LBK_ERR_INTERNAL, "%s:%d: broken invariant: %s", __FILE__, __LINE__, #cond);               \
    } while (0)

#endif
