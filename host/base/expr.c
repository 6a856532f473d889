#include "base/expr.h"
#include "base/param.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

typedef long long value_t;

/* Recursive descent over `text`. After the first failure `status` is set and every function returns at once. `live` is
 * false inside a branch that is only parsed: there arithmetic gives 0 and cannot fail. */
typedef struct parser {
    const char *text, *at;
    lbk_expr_lookup lookup;
    void *context;
    const char *const *names;
    size_t name_count;
    int depth;
    lbk_status status;
} parser;

enum { DEPTH_LIMIT = 100, NAME_BYTES = 64 };

static value_t parse_choice(parser *p, bool live);

static value_t fail(parser *p, const char *at, const char *what) {
    if (p->status == LBK_OK)
        p->status =
            lbk_fail(LBK_ERR_INPUT, "expression \"%.200s\", column %zu: %s", p->text, (size_t)(at - p->text) + 1, what);
    return 0;
}

static void skip_blanks(parser *p) {
    p->at += strspn(p->at, " \t");
}

/* Eats `token` when it comes next. */
static bool accept(parser *p, const char *token) {
    skip_blanks(p);
    size_t length = strlen(token);
    if (p->status != LBK_OK || strncmp(p->at, token, length) != 0)
        return false;
    p->at += length;
    return true;
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

static bool is_name_start(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static value_t parse_number(parser *p) {
    const char *start = p->at;
    value_t value = 0;
    for (; is_digit(*p->at); p->at++)
        if (__builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, *p->at - '0', &value))
            return fail(p, start, "number too large");
    if (is_name_start(*p->at) || *p->at == '.')
        return fail(p, start, "not an integer");
    return value;
}

static value_t unknown_name(parser *p, const char *name, size_t length) {
    char word[NAME_BYTES + 1], what[3 * NAME_BYTES];
    snprintf(word, sizeof word, "%.*s", (int)(length < NAME_BYTES ? length : NAME_BYTES), name);
    const char *nearest = lbk_nearest(word, p->names, p->name_count);
    if (nearest)
        snprintf(what, sizeof what, "unknown name \"%s\"; did you mean \"%.64s\"?", word, nearest);
    else
        snprintf(what, sizeof what, "unknown name \"%s\"", word);
    return fail(p, name, what);
}

static value_t parse_name(parser *p) {
    const char *name = p->at;
    while (is_name_start(*p->at) || is_digit(*p->at))
        p->at++;
    size_t length = (size_t)(p->at - name);
    value_t value;
    if (p->lookup && p->lookup(p->context, name, length, &value))
        return value;
    return unknown_name(p, name, length);
}

static value_t parse_atom(parser *p, bool live) {
    skip_blanks(p);
    if (is_digit(*p->at))
        return parse_number(p);
    if (is_name_start(*p->at))
        return parse_name(p);
    const char *start = p->at;
    if (!accept(p, "("))
        return fail(p, p->at, *p->at ? "expected a number, a name or '('" : "ends where a value is expected");
    value_t value = parse_choice(p, live);
    if (!accept(p, ")"))
        return fail(p, start, "this '(' is not closed");
    return value;
}

static value_t parse_unary(parser *p, bool live) {
    skip_blanks(p);
    const char *start = p->at;
    char sign = *start;
    if (sign != '-' && sign != '+' && sign != '!')
        return parse_atom(p, live);
    if (++p->depth > DEPTH_LIMIT)
        return fail(p, start, "nested too deeply");
    p->at++;
    value_t value = parse_unary(p, live);
    p->depth--;
    if (sign == '-' && __builtin_sub_overflow(0, value, &value))
        return live ? fail(p, start, "overflow") : 0;
    return sign == '!' ? !value : value;
}

/* Binary operators, tightest level first; longer tokens stand before their prefixes. */
typedef enum op { NONE, MUL, DIV, MOD, ADD, SUB, LE, GE, LT, GT, EQ, NE, AND, OR } op;

static const struct {
    const char *token;
    op op;
    int level;
} operators[] = {{"*", MUL, 6}, {"/", DIV, 6},  {"%", MOD, 6}, {"+", ADD, 5}, {"-", SUB, 5},
                 {"<=", LE, 4}, {">=", GE, 4},  {"<", LT, 4},  {">", GT, 4},  {"==", EQ, 3},
                 {"!=", NE, 3}, {"&&", AND, 2}, {"||", OR, 1}};

static op accept_operator(parser *p, int level) {
    for (size_t i = 0; i < sizeof operators / sizeof operators[0]; i++)
        if (operators[i].level == level && accept(p, operators[i].token))
            return operators[i].op;
    return NONE;
}

/* Overflow and division by zero fail at `at`, the operator. */
static value_t apply(parser *p, op op, value_t a, value_t b, const char *at) {
    value_t result = 0;
    bool overflow = false;
    if ((op == DIV || op == MOD) && b == 0)
        return fail(p, at, "division by zero");
    switch (op) {
    case MUL:
        overflow = __builtin_mul_overflow(a, b, &result);
        break;
    case ADD:
        overflow = __builtin_add_overflow(a, b, &result);
        break;
    case SUB:
        overflow = __builtin_sub_overflow(a, b, &result);
        break;
    case DIV:
        overflow = a == LLONG_MIN && b == -1;
        result = overflow ? 0 : a / b;
        break;
    case MOD:
        result = b == -1 ? 0 : a % b;
        break;
    case LE:
        return a <= b;
    case GE:
        return a >= b;
    case LT:
        return a < b;
    case GT:
        return a > b;
    case EQ:
        return a == b;
    case NE:
        return a != b;
    case AND:
        return a && b;
    case OR:
        return a || b;
    case NONE:
        break;
    }
    return overflow ? fail(p, at, "overflow") : result;
}

/* Left-associative operators of `level`, over operands of the tighter levels. */
static value_t parse_binary(parser *p, int level, bool live) {
    if (level > 6)
        return parse_unary(p, live);
    value_t value = parse_binary(p, level + 1, live);
    for (;;) {
        skip_blanks(p);
        const char *at = p->at;
        op op = accept_operator(p, level);
        if (op == NONE)
            return value;
        bool decided = (op == AND && !value) || (op == OR && value);
        value_t right = parse_binary(p, level + 1, live && !decided);
        if (p->status != LBK_OK)
            return 0;
        value = live ? apply(p, op, value, right, at) : 0;
    }
}

static value_t parse_choice(parser *p, bool live) {
    if (++p->depth > DEPTH_LIMIT)
        return fail(p, p->at, "nested too deeply");
    value_t value = parse_binary(p, 1, live);
    if (accept(p, "?")) {
        value_t yes = parse_choice(p, live && value);
        if (!accept(p, ":"))
            return fail(p, p->at, "expected ':' of '?:'");
        value_t no = parse_choice(p, live && !value);
        value = value ? yes : no;
    }
    p->depth--;
    return value;
}

/* live false: only syntax and names. */
static lbk_status parse_all(const char *text, lbk_expr_lookup lookup, void *context, const char *const *names,
                            size_t count, bool live, value_t *out) {
    parser p = {.text = text, .at = text, .lookup = lookup, .context = context, .names = names, .name_count = count};
    value_t value = parse_choice(&p, live);
    skip_blanks(&p);
    if (p.status == LBK_OK && *p.at)
        fail(&p, p.at, "expected an operator or the end");
    if (p.status == LBK_OK)
        *out = value;
    return p.status;
}

lbk_status lbk_expr_eval_names(const char *text, lbk_expr_lookup lookup, void *context, const char *const *names,
                               size_t count, long long *out) {
    return parse_all(text, lookup, context, names, count, true, out);
}

lbk_status lbk_expr_check(const char *text, lbk_expr_lookup lookup, void *context, const char *const *names,
                          size_t count) {
    value_t unused;
    return parse_all(text, lookup, context, names, count, false, &unused);
}

lbk_status lbk_expr_eval(const char *text, lbk_expr_lookup lookup, void *context, long long *out) {
    return lbk_expr_eval_names(text, lookup, context, NULL, 0, out);
}
