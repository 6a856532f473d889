/* Private to base/ini*.c: the one place where entries and sections are added. */
#ifndef LBK_BASE_INI_SCAN_H
#define LBK_BASE_INI_SCAN_H

#include "base/ini.h"

/* Longest line in bytes: iniparser 4.1 reads into 1024 with the line end and NUL. */
#define LBK_INI_LINE_BYTES 1000
/* Longest section name and key. */
#define LBK_INI_NAME_BYTES 128

/* NULL when `name` may name a section (key: a key), else what is wrong with it ("is empty", "holds a space"). */
const char *lbk_ini_name_fault(const char *name, bool key);

/* Number of bytes of well-formed printable UTF-8 (and tabs) at the start of bytes[length]. */
size_t lbk_ini_printable(const char *bytes, size_t length);

/* Append; text is copied into ini->arena. */
lbk_status lbk_ini_section_add(lbk_ini *ini, const char *name, int line);
lbk_status lbk_ini_entry_add(lbk_ini *ini, const char *section, const char *key, const char *value, int line);

/* Fills `ini` from the file's text, which it cuts up. Everything a line can have wrong is refused here. */
lbk_status lbk_ini_scan(lbk_ini *ini, char *text, size_t length);

#endif
