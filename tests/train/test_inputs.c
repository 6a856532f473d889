/* Runs on samples that are no images: what networks read, what is refused, and that nothing moves a bit. */
#include "support/wav.h"
#include "train/helpers/little_run.h"

#include "base/file.h"

#include <math.h>
#include <stdlib.h>

TestSuite(inputs, .init = little_enter, .fini = little_leave, .timeout = 900);

#define DATA "[data]\ndataset = table\npath = t.csv\ncategorical = side\ntest_share = 0.25\nbatch = 16\nlabels = 0.5\n"
#define ROLES                                                                                                          \
    "[teacher]\nmodel = mlp-table\nparameters = hidden=32\nepochs = 6\nlr = 0.05\nmomentum = 0.9\n"                    \
    "[student]\nmodel = mlp-table\nparameters = hidden=12 layers=1 width=2\nepochs = 8\nmomentum = 0.9\n"

/* The class is whether x is above y on one side, and below on the other. */
static void write_table(void) {
    char text[12000];
    int length = snprintf(text, sizeof text, "x,side,y,label\n");
    for (int i = 0; i < 400; i++) {
        int x = i * 37 % 101, y = i * 59 % 103, left = i * i % 7 < 3;
        length += snprintf(text + length, sizeof text - (size_t)length, "%d,%s,%d,%s\n", x, left ? "left" : "right", y,
                           (x > y) == left ? "yes" : "no");
    }
    little_write("t.csv", text);
    little_write(
        "t.ini",
        "[experiment]\nname = t\n" DATA ROLES
        "[distill]\nmethods = kd, rkd, ema, cs_kd\n[distill.ema]\nweight = 1\n[distill.cs_kd]\nweight = 0.1\n");
}

Test(inputs, a_table_is_learned_and_distilled) {
    lbk_run_result result;
    write_table();
    cr_assert_eq(little_run("t.ini", NULL, "run", 0, &result), LBK_OK, "%s", lbk_error_message());
    cr_expect_gt(result.teacher.accuracy, 0.8);
    cr_expect_gt(result.student.accuracy, 0.8);
    cr_expect_gt(result.agreement, 0.8);
}

Test(inputs, schedule_slots_and_cache_move_no_bit) {
    static const struct {
        const char *name, *sets[3];
    } others[] = {
        {"serial", {"experiment.schedule=serial"}},
        {"slots 4", {"experiment.slots=4", "experiment.bridge=host"}},
        {"cache written", {"teacher.cache=taps", "teacher.cache_file=c"}},
        {"cache read", {"teacher.cache=taps", "teacher.cache_file=c"}},
    };
    write_table();
    little_must_run("t.ini", NULL, "base", 0);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        little_must_run("t.ini", others[i].sets, others[i].name, 0);
        little_expect_same_run("base", others[i].name, others[i].name);
    }
}

#define TEXT                                                                                                           \
    "[experiment]\nname = x\n[data]\ndataset = text\npath = t.tsv\ntest_path = u.tsv\nlength = 8\nbatch = 4\n"         \
    "[teacher]\nmodel = textcnn\nparameters = width=8 filters=4 dropout=0\nepochs = 20\noptimizer = adam\nlr = 0.02\n" \
    "[student]\nmodel = bilstm\nparameters = width=4 hidden=4 dense=8\nepochs = 30\noptimizer = adam\nlr = 0.02\n"     \
    "[distill]\nmethods = kd, dml\n[distill.dml]\npeer_model = textcnn\n"

/* The run folder's own words are those of its networks, whatever becomes of the training sentences. */
Test(inputs, a_text_is_learned_and_its_words_are_kept) {
    static const char line[] = "up\twhat a good film\ndown\twhat a bad film\nup\ta good story\ndown\ta bad story\n";
    lbk_run_result result;
    lbk_experiment kept;
    lbk_session session = {0};
    char text[1024];
    snprintf(text, sizeof text, "%s%s%s%s", line, line, line, line);
    little_write("t.tsv", text);
    little_write("u.tsv", "down\tbad film\nup\tgood good story\n");
    little_write("x.ini", TEXT);
    cr_assert_eq(little_run("x.ini", NULL, "run", 0, &result), LBK_OK, "%s", lbk_error_message());
    cr_expect_eq(result.teacher.accuracy, 1);
    cr_expect_eq(result.student.accuracy, 1);
    cr_expect_eq(little_resume("x.ini", "run", 0), LBK_OK, "%s", lbk_error_message());
    little_write("t.tsv", "up\tgood good\ndown\tbad bad\ndown\tother other\nup\tgood\n");
    cr_expect_eq(little_resume("x.ini", "run", 0), LBK_ERR_INPUT);
    cr_expect_str_eq(lbk_error_message(),
                     "run/vocabulary.txt: the run was started with other data, of which it was made");
    cr_assert_eq(lbk_experiment_load(&kept, "run/experiment.ini", NULL, 0), LBK_OK, "%s", lbk_error_message());
    cr_assert_eq(lbk_session_prepare(&session, &kept), LBK_OK, "%s", lbk_error_message());
    cr_expect_eq(kept.data.source.sizes[0].value, 4 + 6);
    lbk_session_release(&session);
    lbk_experiment_release(&kept);
}

#define RATE 1000
#define SAMPLES 600
#define CROSS                                                                                                          \
    "[experiment]\nname = c\n[data]\ndataset = table\npath = c.csv\ntest_share = 0.25\nbatch = 16\nlabels = 0.1\n"     \
    "text = said\nlength = 6\naudio = file\nseconds = 0.6\n"                                                           \
    "[teacher]\nmodel = kws-gru\nparameters = hidden=6 mels=4\nepochs = 8\noptimizer = adam\nlr = 0.02\n"              \
    "[student]\nmodel = textcnn\nparameters = width=8 filters=4 dropout=0\nepochs = 20\noptimizer = adam\nlr = 0.02\n"

static void write_tone(const char *name, double hertz) {
    int16_t numbers[SAMPLES];
    unsigned char bytes[WAV_HEADER + sizeof numbers];
    for (int i = 0; i < SAMPLES; i++)
        numbers[i] = (int16_t)(10000 * sin(6.283185307179586 * hertz * i / RATE));
    FILE *file = fopen(name, "wb");
    cr_assert(file && fwrite(bytes, 1, wav_make(bytes, RATE, numbers, SAMPLES), file) == sizeof bytes);
    cr_assert_eq(fclose(file), 0);
}

/* What is heard and what somebody wrote about it. The label is in the pitch; two of three sentences have a word for it. */
static void write_pairs(void) {
    static const char *const said[2][3] = {{"a deep hum", "some low sound", "a sound"},
                                           {"a high hum", "some shrill sound", "a sound"}};
    char text[8000];
    int length = snprintf(text, sizeof text, "file,said,label\n");
    for (int i = 0; i < 240; i++) {
        int high = i * 7 % 5 % 2, tone = i % 4;
        length += snprintf(text + length, sizeof text - (size_t)length, "%s%d.wav,%s,%s\n", high ? "high" : "low", tone,
                           said[high][i / 5 % 3], high ? "up" : "down");
    }
    for (int tone = 0; tone < 4; tone++) {
        char name[20];
        snprintf(name, sizeof name, "low%d.wav", tone);
        write_tone(name, 80 + 10 * tone);
        snprintf(name, sizeof name, "high%d.wav", tone);
        write_tone(name, 300 + 10 * tone);
    }
    little_write("c.csv", text);
    little_write("c.ini", CROSS "[distill]\nmethods = kd, rkd\n");
}

/* The teacher hears, the student reads; neither model has what the other one's samples are. */
Test(inputs, one_modality_teaches_another) {
    lbk_run_result result;
    lbk_experiment kept;
    char *words;
    size_t length;
    write_pairs();
    cr_assert_eq(little_run("c.ini", NULL, "run", 0, &result), LBK_OK, "%s", lbk_error_message());
    cr_expect_eq(result.teacher.accuracy, 1);
    cr_expect_gt(result.student.accuracy, 0.75);
    cr_assert_eq(lbk_file_read("run/vocabulary.txt", &words, &length), LBK_OK, "%s", lbk_error_message());
    cr_expect(strstr(words, "\nshrill\n"), "%s", words);
    free(words);
    cr_assert_eq(lbk_experiment_load(&kept, "run/experiment.ini", NULL, 0), LBK_OK, "%s", lbk_error_message());
    lbk_experiment_release(&kept);
}

Test(inputs, what_does_not_fit_is_refused) {
    static const struct {
        const char *text, *message;
    } cases[] = {
        {DATA ROLES "[distill]\nmethods = kd, adversarial\n",
         "x.ini:20: [distill] methods: adversarial works on images; samples of the dataset table are none"},
        {DATA ROLES "[distill]\nmethods = sobolev, kd\n",
         "x.ini:20: [distill] methods: sobolev works on images; samples of the dataset table are none"},
        {DATA "[teacher]\nmodel = mlp-table\nmethods = gradient_penalty\n[student]\nmodel = wide-deep\n",
         "x.ini:10: [teacher] methods: gradient_penalty works on images; samples of the dataset table are none"},
        {DATA "[teacher]\nmodel = textcnn\n[student]\nmodel = wide-deep\n",
         "x.ini: [teacher]: model textcnn reads tokens 64 I32; a sample of the data is categories 1 I32, numbers "
         "2 F32"},
        {DATA "[teacher]\nmodel = mlp-table\n[student]\nmodel = wide-deep\nparameters = columns=3\n",
         "x.ini: [student]: model wide-deep reads numbers 3 F32; a sample of the data is categories 1 I32, "
         "numbers 2 F32"},
        {DATA "[teacher]\nmodel = mlp-table\n[student]\nmodel = mlp-tiny\n",
         "x.ini: [student]: model mlp-tiny reads an image; a sample of the data is categories 1 I32, numbers 2 F32"},
        {"[data]\ndataset = table\npath = t.csv\ntext = side\ntest_share = 0.25\n[teacher]\nmodel = "
         "kws-gru\n[student]\n"
         "model = textcnn\n",
         "x.ini: [teacher]: model kws-gru reads waveform 16000 F32; a sample of the data is categories 1 I32, numbers "
         "2 F32, tokens 64 I32, mask 64 I32, types 64 I32, lengths 1 I32"},
        {"[data]\ndataset = digits\n[teacher]\nmodel = cnn-wide\n[student]\nmodel = deepfm\n",
         "x.ini: [student]: model deepfm reads categories 26 I32; a sample of the data is image 8x8x1 F32"},
    };
    write_table();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        lbk_run_result result;
        little_write("x.ini", cases[i].text);
        cr_expect_eq(little_run("x.ini", NULL, "x", 1, &result), LBK_ERR_INPUT);
        cr_expect_str_eq(lbk_error_message(), cases[i].message);
    }
}
