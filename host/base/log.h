/* Log lines with a level. One sink, set by host/cli; the library itself never prints. The default sink drops all. A
 * second one, set by a run for its log.txt, gets every line that is not LBK_LOG_DEBUG. */
#ifndef LBK_BASE_LOG_H
#define LBK_BASE_LOG_H

#include "base/status.h"

typedef enum lbk_log_level { LBK_LOG_DEBUG, LBK_LOG_INFO, LBK_LOG_WARN } lbk_log_level;
typedef void (*lbk_log_sink)(void *context, lbk_log_level level, const char *line);

/* Lines below `level` are dropped. Call it before threads start. sink NULL: drop everything. */
void lbk_log_set(lbk_log_sink sink, void *context, lbk_log_level level);
void lbk_log_copy(lbk_log_sink sink, void *context); /* NULL: none any more */
void lbk_log(lbk_log_level level, const char *fmt, ...) LBK_PRINTF(2, 3);

#endif
