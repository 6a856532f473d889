/* Which layers methods compare, and what they say of layers they cannot. */
#include "distill/helpers/rig.h"

#include "support/scratch.h"

#include <string.h>

#define MAX_PAIRS 4
#define VIT(side, values) #side ".model=vit", #side ".parameters=patch=4 width=8 heads=2 " values

/* "student:teacher" names of the first method's pairs. */
typedef struct pairs_case {
    const char *sets[8];
    const char *pairs[MAX_PAIRS + 1];
} pairs_case;

static void check_pairs(const pairs_case *test) {
    rig r;
    cr_assert_eq(rig_build(&r, test->sets, 1), LBK_OK, "%s", lbk_error_message());
    const lbk_needs *needs = &r.student.teacher[0].bindings->needs[0];
    int count = 0;
    for (; test->pairs[count]; count++) {
        const lbk_pair *pair = &needs->pair[count];
        const char *colon = strchr(test->pairs[count], ':');
        size_t length = (size_t)(colon - test->pairs[count]);
        cr_assert_lt(count, needs->pair_count, "%s, %s: no %s", test->sets[0], test->sets[1], test->pairs[count]);
        cr_expect(strlen(pair->student.name) == length &&
                      strncmp(pair->student.name, test->pairs[count], length) == 0 &&
                      strcmp(pair->teacher.name, colon + 1) == 0,
                  "%s, %s: pair %d is %s:%s, expected %s", test->sets[0], test->sets[1], count, pair->student.name,
                  pair->teacher.name, test->pairs[count]);
    }
    cr_expect_eq(needs->pair_count, count, "%s, %s: %d pairs", test->sets[0], test->sets[1], needs->pair_count);
    rig_release(&r);
}

Test(layers, pairs) {
    static const pairs_case tests[] = {
        {{"distill.methods=at"}, {"layer1:layer1", "layer2:layer2", "layer3:layer3"}},
        {{"distill.methods=sp"}, {"layer3:layer3"}},
        {{"distill.methods=pkt"}, {"avgpool:avgpool"}},
        {{"distill.methods=sp", "distill.sp.layers=2 conv1:layer1.0.conv2"}, {"layer2:layer2", "conv1:layer1.0.conv2"}},
        {{"distill.methods=hidden"}, {"layers.0:layers.1", "layers.1:layers.3"}},
        {{"distill.methods=hidden", VIT(teacher, "depth=5")}, {"layers.0:layers.1", "layers.1:layers.4"}},
        {{"distill.methods=hidden", VIT(teacher, "depth=1")}, {"layers.1:layers.0"}},
        {{"distill.methods=hidden", "distill.hidden.layers=stages"}, {"layers.0:layers.2", "layers.1:layers.3"}},
        {{"distill.methods=cosine"}, {"layers.1:layers.3"}},
        {{"distill.methods=pkd", VIT(teacher, "depth=6"), VIT(student, "depth=3")},
         {"layers.0:layers.1", "layers.1:layers.3"}},
        {{"distill.methods=pkd", "distill.pkd.map=last", VIT(teacher, "depth=6"), VIT(student, "depth=3")},
         {"layers.0:layers.3", "layers.1:layers.4"}},
        {{"distill.methods=attention_map"}, {"layers.0:layers.1", "layers.1:layers.3"}},
    };
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        check_pairs(&tests[i]);
}

#define RESNETS                                                                                                        \
    "teacher.model=resnet8", "teacher.parameters=width=4", "student.model=resnet8", "student.parameters=width=3"

Test(layers, refusals) {
    static const struct {
        const char *sets[8], *message;
    } tests[] = {
        {{"distill.methods=at", "distill.at.layers=feature"},
         "[distill.at]: layers: expected images [B,H,W,C], found rank 2 and 2"},
        {{"distill.methods=nst", VIT(teacher, "depth=2"), VIT(student, "depth=2")},
         "[distill.nst]: layers: expected images [B,H,W,C], found rank 3 and 3"},
        {{"distill.methods=vid", "distill.vid.layers=layer1:fc"}, "expected images [B,H,W,C], found rank 4 and 2"},
        {{"distill.methods=sp", "distill.sp.layers=4"}, "[distill.sp]: layers: there is no stage 4, only 1 to 3"},
        {{"distill.methods=cc", "data.batch=1"}, "[distill.cc]: compares samples of a batch"},
        {{"distill.methods=hidden", RESNETS}, "expected sequences [B,T,C], found rank 4 and 4"},
        {{"distill.methods=cosine", "student.parameters=patch=2 width=8 depth=2 heads=2"},
         "[distill.cosine]: layers: expected sequences of one length, found 17 steps and 5"},
        {{"distill.methods=pkd", RESNETS}, "expected layers that are sequences [B,T,C], found one of rank 4"},
        {{"distill.methods=pkd", VIT(student, "depth=1")}, "expected networks of two layers or more"},
        {{"distill.methods=attention_map", RESNETS}, "the student has no attention at or before \"layer1\""},
        {{"distill.methods=attention_map", "student.parameters=patch=2 width=8 depth=2 heads=2"},
         "expected sequences of one length, found 17 steps and 5"},
        {{"distill.methods=attention_map", "student.parameters=patch=4 width=8 depth=2 heads=4"},
         "[distill.attention_map]: the student has 4 heads, the teacher 2; heads=mean"},
    };
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
        rig r;
        lbk_status status = rig_build(&r, tests[i].sets, 1);
        cr_expect_eq(status, LBK_ERR_INPUT, "%s: status %d", tests[i].message, (int)status);
        if (status != LBK_OK)
            cr_expect(strstr(lbk_error_message(), tests[i].message), "\"%s\" says not \"%s\"", lbk_error_message(),
                      tests[i].message);
        rig_release(&r);
    }
}

/* The scores of tokens that attention hides mean nothing. */
Test(layers, hidden_tokens) {
    static const char text[] = "[model]\nsummary = looks back only\n"
                               "[network]\nrows = reshape shape=0,8,8\nqkv = dense out=24\n"
                               "look = self_attention heads=2 causal=yes\nflat = flatten\nfc = dense out=10\n";
    static scratch s;
    rig r;
    char set[600];
    scratch_make(&s);
    snprintf(set, sizeof set, "student.model=%s", scratch_write(&s, "causal.ini", text, strlen(text)));
    const char *const sets[] = {"distill.methods=attention_map", "distill.attention_map.layers=look:layers.0", set,
                                "student.parameters=", NULL};
    cr_expect_eq(rig_build(&r, sets, 1), LBK_ERR_INPUT);
    cr_expect(strstr(lbk_error_message(), "the student's attention \"look\" hides some tokens"), "%s",
              lbk_error_message());
    rig_release(&r);
    scratch_remove(&s);
}
