/* The parts of base/param.h that know no parameter: numbers, and the nearest word. */
#define _POSIX_C_SOURCE 200809L
#include "base/param.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *skip_digits(const char *text) {
    while (*text >= '0' && *text <= '9')
        text++;
    return text;
}

bool lbk_parse_int(const char *text, long long *out) {
    const char *digits = text + (*text == '-' || *text == '+');
    const char *end = skip_digits(digits);
    if (end == digits || *end)
        return false;
    errno = 0;
    long long value = strtoll(text, NULL, 10);
    if (errno)
        return false;
    *out = value;
    return true;
}

/* [+-] digits [. digits] [e [+-] digits], with a digit before or after the point. */
static bool is_decimal(const char *text) {
    text += *text == '-' || *text == '+';
    const char *end = skip_digits(text);
    size_t digits = (size_t)(end - text);
    if (*end == '.') {
        text = end + 1;
        end = skip_digits(text);
        digits += (size_t)(end - text);
    }
    if (digits == 0)
        return false;
    if (*end == 'e' || *end == 'E') {
        text = end + 1 + (end[1] == '-' || end[1] == '+');
        end = skip_digits(text);
        if (end == text)
            return false;
    }
    return *end == '\0';
}

bool lbk_parse_float(const char *text, double *out) {
    if (!is_decimal(text))
        return false;
    char *end;
    errno = 0;
    double value = strtod(text, &end);
    if (*end || !isfinite(value) || (errno == ERANGE && value == 0.0))
        return false;
    *out = value;
    return true;
}

enum { LONGEST_WORD = 63 };

/* Edits (insert, delete, replace, swap neighbours) from a to b, letters of either case being equal. */
static int edit_distance(const char *a, int a_length, const char *b, int b_length) {
    int rows[3][LONGEST_WORD + 1]; /* the row being filled and the two before it */
    for (int j = 0; j <= b_length; j++)
        rows[0][j] = j;
    for (int i = 1; i <= a_length; i++) {
        int *now = rows[i % 3], *last = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];
        now[0] = i;
        for (int j = 1; j <= b_length; j++) {
            int x = tolower((unsigned char)a[i - 1]), y = tolower((unsigned char)b[j - 1]);
            int best = last[j - 1] + (x != y);
            best = last[j] + 1 < best ? last[j] + 1 : best;
            best = now[j - 1] + 1 < best ? now[j - 1] + 1 : best;
            if (i > 1 && j > 1 && x == tolower((unsigned char)b[j - 2]) && tolower((unsigned char)a[i - 2]) == y &&
                before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            now[j] = best;
        }
    }
    return rows[a_length % 3][b_length];
}

/* Near enough: one edit, and one more for every four letters of the word, but not all of it. */
const char *lbk_nearest(const char *word, const char *const *candidates, size_t count) {
    size_t length = strlen(word);
    if (length == 0 || length > LONGEST_WORD)
        return NULL;
    const char *nearest = NULL;
    int allowed = 1 + (int)length / 4;
    if (allowed >= (int)length)
        allowed = (int)length - 1;
    for (size_t i = 0; i < count; i++) {
        size_t other = strlen(candidates[i]);
        if (other == 0 || other > LONGEST_WORD)
            continue;
        int distance = edit_distance(word, (int)length, candidates[i], (int)other);
        if (distance < (int)other && distance <= allowed) {
            nearest = candidates[i];
            allowed = distance - 1;
        }
    }
    return nearest;
}
