/* Malformed experiments, each with the whole message a user gets. Every case changes one place of an experiment that runs. */
#include "train/helpers/little_run.h"

#include "base/file.h"
#include "base/log.h"
#include "support/scratch.h"

TestSuite(experiment_bad, .init = little_enter, .fini = little_leave, .timeout = 900);

static const char good[] = "[experiment]\nname = bad\nseed = 1\n"
                           "[data]\ndataset = digits\nbatch = 64\n"
                           "[teacher]\nmodel = mlp-wide\nepochs = 2\n"
                           "[student]\nmodel = mlp-tiny\nepochs = 2\n"
                           "[distill]\nmethods = kd\n";

typedef struct bad {
    const char *find, *replace; /* in `good`, its first place; NULL: `good` as it is */
    const char *set;            /* --set; NULL: none */
    const char *message;        /* whole; one that ends in '*': its beginning */
} bad;

static const bad cases[] = {
    {"seed = 1", "sed = 1", NULL, "bad.ini:3: [experiment] sed: unknown key; did you mean \"seed\"?"},
    {"seed = 1", "seed = 1\nseed = 2", NULL, "bad.ini:4: key \"seed\" was given before, in line 3"},
    {"seed = 1", "seed = 1\nSeed = 2", NULL, "bad.ini:4: key \"Seed\" differs only in case from \"seed\" in line 3"},
    {"seed = 1", "seed = 1x", NULL, "bad.ini:3: [experiment] seed: expected integer >= 0, got \"1x\""},
    {"seed = 1", "seed = -1", NULL, "bad.ini:3: [experiment] seed: expected integer >= 0, got \"-1\""},
    {"seed = 1", "seed = 1.5", NULL, "bad.ini:3: [experiment] seed: expected integer >= 0, got \"1.5\""},
    {"seed = 1", "seed =", NULL, "bad.ini:3: [experiment] seed: expected integer >= 0, got \"\""},
    {"seed = 1", "seed = 99999999999", NULL,
     "bad.ini:3: [experiment] seed: expected integer >= 0, got \"99999999999\""},
    {"name = bad", "name = a/b", NULL,
     "bad.ini:2: [experiment] name: \"a/b\" is no name for a folder: expected one without '/', not starting with '.'"},
    {"name = bad", "name = .hidden", NULL,
     "bad.ini:2: [experiment] name: \".hidden\" is no name for a folder: expected one without '/', not starting with "
     "'.'"},
    {"name = bad", "name =", NULL,
     "bad.ini:2: [experiment] name: \"\" is no name for a folder: expected one without '/', not starting with '.'"},
    {"seed = 1", "control = maybe", NULL, "bad.ini:3: [experiment] control: expected yes or no, got \"maybe\""},
    {"seed = 1", "schedule = concurent", NULL,
     "bad.ini:3: [experiment] schedule: expected one of serial, concurrent, got \"concurent\"; did you mean "
     "\"concurrent\"?"},
    {"seed = 1", "bridge = copy", NULL,
     "bad.ini:3: [experiment] bridge: expected one of auto, direct, host, got \"copy\""},
    {"seed = 1", "slots = 0", NULL, "bad.ini:3: [experiment] slots: expected integer in [1, 64], got \"0\""},
    {"seed = 1", "slots = 65", NULL, "bad.ini:3: [experiment] slots: expected integer in [1, 64], got \"65\""},
    {"seed = 1", "schedule = serial\nslots = 2", NULL,
     "bad.ini:4: [experiment] slots: has no effect with schedule = serial"},
    {"seed = 1", "checkpoint = -1", NULL,
     "bad.ini:3: [experiment] checkpoint: expected number in [0, 1000000000], got \"-1\""},
    {"seed = 1", "seed = 1 # x\nthis is no line", NULL, "bad.ini:4: expected [section], key = value or a comment"},
    {"[experiment]\n", "stray = 1\n[experiment]\n", NULL, "bad.ini:1: key \"stray\" stands before the first [section]"},
    {"[student]", "[studnt]", NULL, "bad.ini:10: unknown section [studnt]; did you mean [student]?"},
    {"[distill]", "[distil]", NULL, "bad.ini:13: unknown or unused section [distil]; did you mean \"distill\"?"},
    {"[data]\ndataset = digits\nbatch = 64\n", "", NULL,
     "bad.ini: [data] lacks the key \"dataset\" (a dataset's name)"},
    {"[teacher]\nmodel = mlp-wide\nepochs = 2\n", "", NULL, "bad.ini: has no section [teacher]"},
    {"epochs = 2\n[student]", "share = 2\n[student]", NULL,
     "bad.ini:9: [teacher] share: has no effect: there is one teacher"},
    {"methods = kd", "methods = kd\nteacher_weights = learned", NULL,
     "bad.ini:15: [distill] teacher_weights: has no effect: there is one teacher"},
    {"[distill]", "[teacher.]\nmodel = mlp-wide\n[distill]", NULL,
     "bad.ini:13: [teacher.]: expected a name behind the dot, without '/'"},
    {"[distill]", "[teacher.b]\nmodl = mlp-wide\n[distill]", NULL,
     "bad.ini:13: [teacher.b] lacks the key \"model\" (text)"},
    {"[distill]", "[assistant.a]\nmodel = mlp-wide\nweights = x\n[distill]", NULL,
     "bad.ini:15: [assistant.a] weights: unknown key"},
    {"methods = kd", "methods = fitnet\n[distill.fitnet]\nlayers = 7", NULL,
     "bad.ini: [distill.fitnet]: layers: there is no stage 7, only 1 to 1"},
    {"methods = kd", "methods = fitnet\n[distill.fitnet]\nlayers = relu1:relu9", NULL,
     "bad.ini: [distill.fitnet]: the teacher has no node \"relu9\"; did you mean \"relu1\"?"},
    {"methods = kd", "methods = at\n[distill.at]\nlayers = last", NULL,
     "bad.ini: [distill.at]: layers: expected images [B,H,W,C], found rank 2 and 2"},
    {"epochs = 2\n[student]", "methods = kd\n[student]", NULL,
     "bad.ini:9: [teacher] methods: the method \"kd\" reads a teacher, the teacher has none"},
    {"epochs = 2\n[student]", "methods = cs_kd cs_kd\n[student]", NULL,
     "bad.ini:9: [teacher] methods: the method \"cs_kd\" is named twice"},
    {"epochs = 2\n[student]", "methods = cs_dk\n[student]", NULL,
     "bad.ini:9: [teacher] methods: unknown method \"cs_dk\"; did you mean \"cs_kd\"?"},
    {"epochs = 2\n[student]", "methods = cs_kd\n[teacher/cs_kd]\nlayers = 2\n[student]", NULL,
     "bad.ini:11: [teacher/cs_kd] layers: unknown key"},
    {"epochs = 2\n[student]", "[teacher/cs_kd]\nweight = 2\n[student]", NULL,
     "bad.ini:9: [teacher/cs_kd] has no effect: [teacher] methods does not name \"cs_kd\""},
    {"epochs = 2\n[student]", "weights = t.safetensors\nmethods = cs_kd\n[student]", NULL,
     "bad.ini:10: [teacher] methods: has no effect: with `weights` the teacher is loaded, not trained"},
    {"[distill]", "[teacher.b/cs_kd]\nweight = 2\n[distill]", NULL,
     "bad.ini:13: unknown or unused section [teacher.b/cs_kd]"},
    {"[distill]", "[assistant.a]\nmodel = mlp-wide\nmethods = cs_kd\n[distill]", NULL,
     "bad.ini:15: [assistant.a] methods: unknown key"},
    {"model = mlp-wide", "model = mlp-tiny\nmethods = byot", NULL,
     "bad.ini: [teacher/byot]: expected a student with two stages or more that ends in a dense layer, found 1 stages"},
    {"[distill]", "[teacher]\nepochs = 3\n[distill]", NULL,
     "bad.ini:13: section \"teacher\" was given before, in line 7"},
    {"dataset = digits", "dataset = digit", NULL,
     "bad.ini:5: [data] dataset: unknown dataset \"digit\"; did you mean \"digits\"?"},
    {"dataset = digits\n", "", NULL, "bad.ini:4: [data] lacks the key \"dataset\" (a dataset's name)"},
    {"dataset = digits", "dataset = cifar10", NULL, "bad.ini:4: [data] lacks the key \"path\" (text)"},
    {"dataset = digits", "dataset = idx\nfolder = nowhere", NULL, "bad.ini:6: [data] folder: unknown key"},
    {"batch = 64", "batch = 0", NULL, "bad.ini:6: [data] batch: expected integer in [1, 65536], got \"0\""},
    {"batch = 64", "batch = 64k", NULL, "bad.ini:6: [data] batch: expected integer in [1, 65536], got \"64k\""},
    {"batch = 64", "batch = 64\nlabels = 1.5", NULL,
     "bad.ini:7: [data] labels: expected number in [0, 1], got \"1.5\""},
    {"batch = 64", "batch = 64\nlabels = nan", NULL,
     "bad.ini:7: [data] labels: expected number in [0, 1], got \"nan\""},
    {"batch = 64", "batch = 64\nlabels = 0,5", NULL,
     "bad.ini:7: [data] labels: expected number in [0, 1], got \"0,5\""},
    {"batch = 64", "batch = 64\nvalidation = 1", NULL,
     "bad.ini:7: [data] validation: expected number in [0, 0.9], got \"1\""},
    {"batch = 64", "batch = 64\naugment = crp", NULL,
     "bad.ini:7: [data] augment: unknown augmentation \"crp\"; did you mean \"crop\"?"},
    {"batch = 64", "batch = 64\naugment = flip flip", NULL, "bad.ini:7: [data] augment: \"flip\" is named twice"},
    {"batch = 64", "batch = 64\naugment = none, flip", NULL,
     "bad.ini:7: [data] augment: \"none\" stands alone or not at all"},
    {"batch = 64", "batch = 64\n[augment.crop]\npadding = 1", NULL,
     "bad.ini:7: [augment.crop] has no effect: [data] augment does not name \"crop\""},
    {"batch = 64", "batch = 64\naugment = crop\n[augment.crop]\npaddin = 1", NULL,
     "bad.ini:9: [augment.crop] paddin: unknown key; did you mean \"padding\"?"},
    {"model = mlp-wide", "model = mlp-wid", NULL,
     "bad.ini:8: [teacher] model: there is no model \"mlp-wid\"; did you mean \"mlp-wide\"?"},
    {"model = mlp-wide", "modl = mlp-wide", NULL, "bad.ini:7: [teacher] lacks the key \"model\" (text)"},
    {"model = mlp-wide", "model = mlp-wide\nparameters = widht=3", NULL,
     "bad.ini: [teacher]: model mlp-wide: unknown parameter \"widht\"; did you mean \"width\"?"},
    {"model = mlp-wide", "model = mlp-wide\nparameters = width", NULL,
     "bad.ini: [teacher]: model mlp-wide: expected parameter=value, found \"width\""},
    {"model = mlp-wide", "model = mlp-wide\nparameters = width=0", NULL,
     "bad.ini: [teacher]: " LIMBECK_SOURCE_DIR
     "/models/mlp-wide.ini:14: fc1: out=width: out: expected integer in [1, 16777216], got \"0\""},
    {"model = mlp-wide", "model = mlp-wide\ndevice = 9.9", NULL,
     "bad.ini: [teacher] device: no device 9.9; there is:*"},
    {"model = mlp-wide", "model = mlp-wide\ndevice = no such device", NULL,
     "bad.ini: [teacher] device: no device has \"no such device\" in its name; there is:*"},
    {"model = mlp-wide", "model = mlp-wide\ndevice = cpu/3 of 2", NULL,
     "bad.ini: [teacher] device: device \"cpu/3 of 2\": cannot read \"3 of 2\"; a part is written K of N with 1 <= K "
     "<= N, e.g. 0.0/1 of 2"},
    {"model = mlp-wide\nepochs = 2", "model = mlp-wide\nepochs = 2\nweights = t.safetensors", NULL,
     "bad.ini:9: [teacher] epochs: has no effect: with `weights` the teacher is loaded, not trained"},
    {"model = mlp-wide\nepochs = 2", "model = mlp-wide\nweights = t.safetensors\nmomentum = 0.9", NULL,
     "bad.ini:10: [teacher] momentum: has no effect: with `weights` the teacher is loaded, not trained"},
    {"model = mlp-tiny", "model = mlp-tiny\nweights = t.safetensors", NULL,
     "bad.ini:12: [student] weights: unknown key"},
    {"model = mlp-wide\nepochs = 2", "model = mlp-wide\nepochs = 0", NULL,
     "bad.ini:9: [teacher] epochs: expected integer in [1, 1000000], got \"0\""},
    {"model = mlp-wide", "model = mlp-wide\noptimizer = sgdd", NULL,
     "bad.ini:9: [teacher] optimizer: unknown optimizer \"sgdd\"; did you mean \"sgd\"?"},
    {"model = mlp-wide", "model = mlp-wide\noptimizer = lion-heart", NULL,
     "bad.ini:9: [teacher] optimizer: unknown optimizer \"lion-heart\"; expected one of sgd, adam, adamw"},
    {"model = mlp-wide", "model = mlp-wide\noptimizer = adam\nmomentum = 0.9", NULL,
     "bad.ini:10: [teacher] momentum: unknown key"},
    {"model = mlp-wide", "model = mlp-wide\nschedule = cosin", NULL,
     "bad.ini:9: [teacher] schedule: unknown schedule \"cosin\"; did you mean \"cosine\"?"},
    {"model = mlp-wide", "model = mlp-wide\nschedule = cosine\nmilestones = 1, 2", NULL,
     "bad.ini:10: [teacher] milestones: unknown key"},
    {"model = mlp-wide", "model = mlp-wide\nschedule = multistep\nmilestones = 1, two", NULL,
     "bad.ini:10: [teacher] milestones: expected at most 16 comma-separated integers, each in [0, 1000000], got \"1, "
     "two\""},
    {"model = mlp-wide", "model = mlp-wide\nwarmup = 3", NULL,
     "bad.ini:9: [teacher] warmup: must be at most epochs = 2"},
    {"model = mlp-tiny", "model = mlp-tiny\nstorage = half", NULL,
     "bad.ini:12: [student] storage: expected one of float32, float16, bfloat16, got \"half\""},
    {"model = mlp-tiny", "model = mlp-tiny\nstorage = bfloat16\nrecompute = yes", NULL,
     "bad.ini:12: [student] storage: not with recompute = yes, which must begin from what was computed: choose one"},
    {"model = mlp-tiny", "model = mlp-tiny\narithmetic = fp16", NULL,
     "bad.ini:12: [student] arithmetic: expected one of float32, tf32, float16, bfloat16, got \"fp16\""},
    {"model = mlp-tiny", "model = mlp-tiny\nloss_scale = 0.5", NULL,
     "bad.ini:12: [student] loss_scale: expected off, dynamic, auto or a number from 1 to 2^126 = 8.50705917e+37, "
     "found "
     "\"0.5\""},
    {"model = mlp-tiny", "model = mlp-tiny\nloss_scale = on", NULL,
     "bad.ini:12: [student] loss_scale: expected off, dynamic, auto or a number from 1 to 2^126 = 8.50705917e+37, "
     "found "
     "\"on\""},
    {"model = mlp-wide\nepochs = 2", "model = mlp-wide\nweights = t.safetensors\nloss_scale = dynamic", NULL,
     "bad.ini:10: [teacher] loss_scale: has no effect: with `weights` the teacher is loaded, not trained"},
    {"model = mlp-wide", "model = mlp-wide\nlr = fast", NULL,
     "bad.ini:9: [teacher] lr: expected number in [0, 1000], got \"fast\""},
    {"model = mlp-wide", "model = mlp-wide\nlr = -0.1", NULL,
     "bad.ini:9: [teacher] lr: expected number in [0, 1000], got \"-0.1\""},
    {"model = mlp-wide", "model = mlp-wide\nmomentum = 1", NULL,
     "bad.ini:9: [teacher] momentum: expected number in [0, 0.9999], got \"1\""},
    {"model = mlp-wide", "model = mlp-wide\nmomentum = 0\nnesterov = yes", NULL,
     "bad.ini:7: [teacher]: nesterov needs momentum > 0"},
    {"methods = kd", "methods = kdd", NULL,
     "bad.ini:14: [distill] methods: unknown method \"kdd\"; did you mean \"dkd\"?"},
    {"methods = kd", "methods = kd kd", NULL, "bad.ini:14: [distill] methods: the method \"kd\" is named twice"},
    {"methods = kd", "methods =", NULL, "bad.ini:14: [distill] methods: names no method; expected at least one"},
    {"methods = kd", "methods = kd\nhard_weight = -1", NULL,
     "bad.ini:15: [distill] hard_weight: expected number or \"from -> to [cosine]\", each in [0, 1000000]; \"warmup "
     "EPOCHS\" may follow, got \"-1\""},
    {"methods = kd", "methods = kd\nmeta = weights", NULL,
     "bad.ini:15: [distill] meta: needs samples held out; expected [data] validation > 0"},
    {"methods = kd", "methods = kd\nmeta_every = 2", NULL,
     "bad.ini:15: [distill] meta_every: has no effect with meta = off"},
    {"methods = kd", "methods = kd\nmeta_lr = 2\nmeta = off", NULL,
     "bad.ini:15: [distill] meta_lr: has no effect with meta = off"},
    {"batch = 64", "batch = 64\nvalidation = 0.1", "distill.meta=temperatures",
     "--set: [distill] meta: expected one of off, weights, temperature, both, got \"temperatures\"; did you mean "
     "\"temperature\"?"},
    {"methods = kd", "methods = kd\nmeta = both\nteacher_weights = learned", NULL,
     "bad.ini:15: [distill] meta: not with teacher_weights = learned, which trains the same weights: choose one"},
    {"batch = 64\n[teacher]\nmodel = mlp-wide\nepochs = 2\n[student]\nmodel = mlp-tiny\nepochs = 2\n[distill]\n"
     "methods = kd",
     "batch = 64\nvalidation = 0.1\n[teacher]\nmodel = mlp-wide\n[student]\nmodel = mlp-tiny\n[distill]\n"
     "methods = mse\nmeta = temperature",
     NULL, "bad.ini: [distill] meta: none of the methods has a temperature"},
    {"methods = kd", "methods = kd\n[distill.kdd]\nweight = 1", NULL,
     "bad.ini:15: [distill.kdd]: unknown method \"kdd\"; did you mean \"dkd\"?"},
    {"methods = kd", "methods = kd\n[distill.kd]\ntemperature = 0", NULL,
     "bad.ini:16: [distill.kd] temperature: expected number or \"from -> to [cosine]\", each in [0.01, 1000], got "
     "\"0\""},
    {"methods = kd", "methods = kd\n[distill.kd]\ntemperature = 10 -> ", NULL,
     "bad.ini:16: [distill.kd] temperature: expected number or \"from -> to [cosine]\", each in [0.01, 1000], got \"10 "
     "->\""},
    {"methods = kd", "methods = kd\n[distill.kd]\ntemprature = 4", NULL,
     "bad.ini:16: [distill.kd] temprature: unknown key; did you mean \"temperature\"?"},
    {"methods = kd", "methods = kd\n[experimnt]\nseed = 2", NULL,
     "bad.ini:15: unknown or unused section [experimnt]; did you mean \"experiment\"?"},
    {NULL, NULL, "seed=2", "--set \"seed=2\": expected section.key=value"},
    {NULL, NULL, "experiment.seed", "--set \"experiment.seed\": expected section.key=value"},
    {NULL, NULL, "experiment.sed=2", "--set: [experiment] sed: unknown key; did you mean \"seed\"?"},
    {NULL, NULL, "experiment.seed=two", "--set: [experiment] seed: expected integer >= 0, got \"two\""},
    {NULL, NULL, "nosection.key=1", "--set: unknown or unused section [nosection]"},
    {NULL, NULL, "distill.kdd.weight=1", "--set: [distill.kdd]: unknown method \"kdd\"; did you mean \"dkd\"?"},
    {NULL, NULL, "teacher.weights=t.safetensors",
     "bad.ini:9: [teacher] epochs: has no effect: with `weights` the teacher is loaded, not trained"},
    {"methods = kd", "methods = \xFF", NULL, "bad.ini:14: byte 0xFF in column 11 is not printable text (UTF-8)"},
    {"dataset = digits", "dataset = idx\npath = nowhere", NULL,
     "bad.ini: [data]: dataset idx: ./nowhere: not a folder"},
    {"dataset = digits", "dataset = digits\npath = nowhere", NULL,
     "bad.ini:6: [data] path: unknown key; did you mean \"batch\"?"},
    {"batch = 64", "batch = 64\nnormalize = 2", NULL, "bad.ini:7: [data] normalize: expected yes or no, got \"2\""},
    {"epochs = 2\n[student]", "epochs = two\n[student]", NULL,
     "bad.ini:9: [teacher] epochs: expected integer in [1, 1000000], got \"two\""},
    {"model = mlp-tiny", "model = mlp-tiny\ndevice = cpu/1 of 0", NULL,
     "bad.ini: [student] device: device \"cpu/1 of 0\": cannot read \"1 of 0\"; a part is written K of N with 1 <= K "
     "<= N, e.g. 0.0/1 of 2"},
    {"[experiment]", "[experiment", NULL, "bad.ini:1: section name lacks its ']'"},
};
#define CASES (sizeof cases / sizeof cases[0])

static void write_case(const bad *c) {
    char text[2048];
    const char *at = c->find ? strstr(good, c->find) : good;
    cr_assert(at, "\"%s\" is not in the good experiment", c->find);
    snprintf(text, sizeof text, "%.*s%s%s", (int)(at - good), good, c->find ? c->replace : "",
             at + (c->find ? strlen(c->find) : 0));
    little_write("bad.ini", text);
}

static bool is_message(const char *got, const char *want) {
    size_t length = strlen(want);
    bool beginning = length && want[length - 1] == '*';
    return beginning ? strncmp(got, want, length - 1) == 0 : strcmp(got, want) == 0;
}

Test(experiment_bad, refused_with_file_line_and_what_was_expected) {
    cr_assert_geq(CASES, 40);
    for (size_t i = 0; i < CASES; i++) {
        const bad *c = &cases[i];
        lbk_run_result result;
        write_case(c);
        lbk_status status = little_run("bad.ini", (const char *const[]){c->set, NULL}, NULL, 1, &result);
        cr_expect_eq(lbk_status_exit_code(status), 2, "%s: status %d", c->message, (int)status);
        cr_expect(is_message(lbk_error_message(), c->message), "expected: %s\n     got: %s", c->message,
                  lbk_error_message());
        cr_expect_not(lbk_path_exists("runs"), "%s: something was written", c->message);
    }
}

/* What the cases change is good before. */
Test(experiment_bad, the_unchanged_experiment_runs) {
    static const bad unchanged = {NULL, NULL, NULL, ""};
    lbk_run_result result;
    write_case(&unchanged);
    cr_assert_eq(little_run("bad.ini", NULL, NULL, 1, &result), LBK_OK, "%s", lbk_error_message());
    cr_expect(lbk_path_exists("runs/bad/experiment.ini"));
    cr_expect_eq(little_run("bad.ini", NULL, "runs/bad", 1, &result), LBK_ERR_INPUT);
    cr_expect_str_eq(lbk_error_message(),
                     "--out: 'runs/bad' holds a run already; use --resume to go on with it, or another folder");
}

Test(experiment_bad, missing_files_are_named) {
    static const bad model = {"model = mlp-wide", "model = nowhere/x.ini", NULL, ""};
    lbk_run_result result;
    write_case(&model);
    cr_expect_eq(little_run("bad.ini", NULL, NULL, 1, &result), LBK_ERR_IO);
    cr_expect_str_eq(lbk_error_message(),
                     "bad.ini:8: [teacher] model: cannot read \"./nowhere/x.ini\": No such file or directory");
    cr_expect_eq(little_run("nowhere.ini", NULL, NULL, 1, &result), LBK_ERR_IO);
    cr_expect_str_eq(lbk_error_message(), "cannot read \"nowhere.ini\": No such file or directory");
    cr_expect_not(lbk_path_exists("runs"));
}
