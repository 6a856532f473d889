/* Malformed model files: the whole message of each. */
#include "model/helpers/network.h"
#include "support/scratch.h"

static scratch s;

static void setup(void) {
    scratch_make(&s);
}
static void teardown(void) {
    scratch_remove(&s);
}

TestSuite(refuse, .init = setup, .fini = teardown);

/* In `message`, @ is the file's path; a final * leaves out the rest, which is some op's. */
typedef struct refusal {
    const char *text, *message;
} refusal;

static void at_to_path(const char *message, const char *path, char *out, size_t room) {
    size_t used = 0;
    for (const char *c = message; *c; c++)
        used += (size_t)snprintf(out + used, room - used, "%s", *c == '@' ? path : (char[]){*c, '\0'});
}

static void expect_message(const char *want) {
    const char *have = lbk_error_message();
    size_t length = strlen(want);
    bool open = length > 0 && want[length - 1] == '*';
    bool equal = open ? strncmp(have, want, length - 1) == 0 : strcmp(have, want) == 0;
    cr_expect(equal, "\n   have %s\n   want %s", have, want);
}

static void expect_refused(const refusal *cases, size_t count) {
    for (size_t i = 0; i < count; i++) {
        network n;
        char path[600], want[4096];
        network_digits(&n);
        snprintf(path, sizeof path, "%s", scratch_write(&s, "x.ini", cases[i].text, strlen(cases[i].text)));
        at_to_path(cases[i].message, path, want, sizeof want);
        cr_assert_eq(network_try(&n, path, NULL), LBK_ERR_INPUT, "%s\n   have accepted", cases[i].text);
        expect_message(want);
    }
}
#define EXPECT_REFUSED(cases) expect_refused(cases, sizeof(cases) / sizeof *(cases))

#define HEAD "[model]\nsummary = x\n[network]\n" /* three lines */
#define TAIL "pool = global_avg_pool\nfc = dense out=10\n"

Test(refuse, lines) {
    static const refusal cases[] = {
        {HEAD "a = conv2 out=4\n" TAIL, "@:4: [network] a: unknown op or block \"conv2\"; did you mean \"conv2d\"?"},
        {HEAD "a = quux out=4\n" TAIL, "@:4: [network] a: unknown op or block \"quux\"; expected one of *"},
        {HEAD "a = relu_backward\n" TAIL,
         "@:4: [network] a: the op \"relu_backward\" is no layer: it cannot stand in a model file"},
        {HEAD "a =\n" TAIL, "@:4: [network] a: expected an op or a block and its parameters"},
        {HEAD "a = conv2d out=4 kernal=3\n" TAIL,
         "@:4: [network] a: unknown parameter of conv2d \"kernal\"; did you mean \"kernel\"?"},
        {HEAD "a = conv2d out=4 zzz=3\n" TAIL,
         "@:4: [network] a: unknown parameter of conv2d \"zzz\"; expected one of *"},
        {HEAD "a = relu slope=1\n" TAIL, "@:4: [network] a: unknown parameter of relu \"slope\": there are none"},
        {HEAD "a = conv2d out=4 3\n" TAIL, "@:4: [network] a: expected key=value, found \"3\""},
        {HEAD "a = conv2d out=\n" TAIL, "@:4: [network] a: expected key=value, found \"out=\""},
        {HEAD "a = conv2d out=4 out=5\n" TAIL, "@:4: [network] a: \"out\" is given twice"},
        {HEAD "a = conv2d kernel=3\n" TAIL, "@:4: [network] a: conv2d needs out=...: output channels"},
        {HEAD "a = batch_norm training=no\n" TAIL,
         "@:4: [network] a: batch_norm: \"training\" is set by the program, not by a model file"},
        {HEAD "a = dropout p=0.5 seed=3\n" TAIL,
         "@:4: [network] a: dropout: \"seed\" is set by the program, not by a model file"},
        {HEAD "a = relu repeat=3\n" TAIL, "@:4: [network] a: repeat is for blocks; relu is an op"},
        {HEAD "a = conv2d out=4 bias=maybe\n" TAIL, "@:4: [network] a: bias: expected yes or no, got \"maybe\""},
        {HEAD "a = batch_norm momentum=2*2\n" TAIL,
         "@:4: [network] a: momentum: expected number in [0, 1], got \"2*2\""},
        {HEAD "a/b = relu\n" TAIL, "@:4: [network] a/b: a node's name is made of letters, digits, '_', '-' and '.'"},
        {HEAD "input = relu\n" TAIL, "@:4: [network] input: the name 'input' is taken: it is the input of the section"},
        {HEAD "a = relu\na = relu\n" TAIL, "@:5: key \"a\" was given before, in line 4"},
    };
    EXPECT_REFUSED(cases);
}

Test(refuse, from) {
    static const refusal cases[] = {
        {HEAD "a = relu from=b\nb = relu\n" TAIL,
         "@:4: [network] a: from=b: \"b\" stands below, at line 5; a node reads what stands above it"},
        {HEAD "a = relu from=a\n" TAIL, "@:4: [network] a: from=a: a node cannot read itself"},
        {HEAD "first = relu\nb = relu from=frist\n" TAIL,
         "@:5: [network] b: unknown node in from: \"frist\"; did you mean \"first\"?"},
        {HEAD "a = relu\nb = relu from=zebra\n" TAIL,
         "@:5: [network] b: unknown node in from: \"zebra\"; expected one of input, a"},
        {HEAD "a = relu from=,\n" TAIL, "@:4: [network] a: from: expected the names of nodes above, or input"},
        {HEAD "a = relu\nb = add\n" TAIL, "@:5: [network] b: add reads 2 to 4 nodes, from names 1"},
        {HEAD "a = relu\nb = add from=a,a,a,a,a\n" TAIL, "@:5: [network] b: add reads 2 to 4 nodes, from names 5"},
        {HEAD "a = relu\nb = conv2d out=3 from=a,input\n" TAIL, "@:5: [network] b: conv2d reads 1 node, from names 2"},
        {HEAD "a = relu\nb = relu from=input\n" TAIL, "@:4: [network] a: has no effect: no node below reads it"},
        {HEAD "a = b from=input,input\n" TAIL "[block b]\nr = relu\n",
         "@:4: [network] a: b reads 1 node, from names 2"},
    };
    EXPECT_REFUSED(cases);
}

Test(refuse, expressions) {
    static const refusal cases[] = {
        {HEAD "a = conv2d out=2*widht\n" TAIL "[parameters]\nwidth = 3\n",
         "@:4: [network] a: out: expression \"2*widht\", column 3: unknown name \"widht\"; did you mean \"width\"?"},
        {HEAD "a = conv2d out=2*\n" TAIL,
         "@:4: [network] a: out: expression \"2*\", column 3: ends where a value is expected"},
        {HEAD "a = conv2d out=1.5\n" TAIL, "@:4: [network] a: out: expression \"1.5\", column 1: not an integer"},
        {HEAD "a = conv2d out=4 kernel=3,\n" TAIL,
         "@:4: [network] a: kernel: expression \"\", column 1: ends where a value is expected"},
        {HEAD "a = conv2d out=4 kernel=3,3,3\n" TAIL,
         "@:4: [network] a: kernel: expression \"3,3\", column 2: expected an operator or the end"},
        {HEAD "a = reshape shape=0,8,(8,1\n" TAIL,
         "@:4: [network] a: shape: expression \"(8,1\", column 1: this '(' is not closed"},
        {HEAD "a = reshape shape=0,in-3,8,8\n" TAIL,
         "@:4: a: shape=0,in-3,8,8: shape: expected at most 16 comma-separated integers, each in [-1, 1073741824], got "
         "\"0,-2,8,8\""},
        {HEAD "a = conv2d out=in-1\n" TAIL, "@:4: a: out=in-1: out: expected integer in [1, 1048576], got \"0\""},
        {HEAD "a = dropout p=1/(in-1)\n" TAIL, "@:4: a: p=1/(in-1): expected a name or a number behind the last '/'"},
        {HEAD "a = dropout p=1/0\n" TAIL, "@:4: a: p=1/0: division by zero"},
        {HEAD "a = dropout p=3/2\n" TAIL, "@:4: a: p=3/2: p: expected number in [0, 0.999], got \"1.5\""},
        {HEAD "a = dropout p=1/2*3\n" TAIL, "@:4: a: p=1/2*3: expected a name or a number behind the last '/'"},
        {HEAD "a = dropout p=many/2\n" TAIL,
         "@:4: [network] a: p: expression \"many/2\", column 1: unknown name \"many\""},
        {HEAD "a = conv2d out=-3\n" TAIL, "@:4: a: out: expected integer in [1, 1048576], got \"-3\""},
        {HEAD "a = conv2d out=4/(in-1)\n" TAIL, "@:4: a: out: expression \"4/(in-1)\", column 2: division by zero"},
        {HEAD "a = conv2d out=index\n" TAIL,
         "@:4: [network] a: out: expression \"index\", column 1: unknown name \"index\""},
        {HEAD "a = relu when=yes\n" TAIL, "@:4: [network] a: when: expression \"yes\", column 1: unknown name \"yes\""},
        {HEAD "a = relu when=1/(in-1)\n" TAIL, "@:4: a: when: expression \"1/(in-1)\", column 2: division by zero"},
        {HEAD "a = b repeat=0\n" TAIL "[block b]\nr = relu\n", "@:4: a: repeat=0: 0 is not in [1, 10000]"},
        {HEAD "a = b repeat=1 first=0-1\n" TAIL "[block b]\nr = relu\n", "@:4: a: first=0-1: -1 is not in [0, 10000]"},
        {HEAD "a = b first=1\n" TAIL "[block b]\nr = relu\n", "@:4: [network] a: first=1 has no effect without repeat"},
        {HEAD "a = b repeat=many\n" TAIL "[block b]\nr = relu\n",
         "@:4: [network] a: repeat: expression \"many\", column 1: unknown name \"many\""},
        {HEAD "a = b w=1/index\n" TAIL "[block b]\nparameters = w\nr = conv2d out=w\n",
         "@:4: a: w: expression \"1/index\", column 2: division by zero"},
    };
    EXPECT_REFUSED(cases);
}

Test(refuse, blocks) {
    static const refusal cases[] = {
        {HEAD "a = basik\n" TAIL "[block basic]\nr = relu\n",
         "@:4: [network] a: unknown op or block \"basik\"; did you mean \"basic\"?"},
        {HEAD "a = b\n" TAIL "[block b]\nr = c\n[block c]\nq = b\n", "@:10: [block c] q: block b contains itself"},
        {HEAD "a = b\n" TAIL "[block b]\nr = b\n", "@:8: [block b] r: block b contains itself"},
        {HEAD "a = relu\n" TAIL "[block b]\nr = relu\n", "@:7: [block b]: has no effect: no node uses this block"},
        {HEAD "a = b\n" TAIL "[block b]\nparameters = w\nr = relu\n", "@:4: [network] a: block b needs w=..."},
        {HEAD "a = b\n" TAIL "[block b]\nparameters = w\nr = conv2d out=w\n", "@:4: [network] a: block b needs w=..."},
        {HEAD "a = b v=3\n" TAIL "[block b]\nparameters = width\nr = conv2d out=width\n",
         "@:4: [network] a: unknown parameter of block b \"v\"; expected one of width"},
        {HEAD "a = b w=1\n" TAIL "[block b]\nparameters = w w\nr = conv2d out=w\n",
         "@:8: [block b] parameters: \"w\" is named twice"},
        {HEAD "a = b in=1\n" TAIL "[block b]\nparameters = in\nr = conv2d out=in\n",
         "@:8: [block b] parameters: the name \"in\" is taken"},
        {HEAD "a = b\n" TAIL "[block b]\nparameters = 3x\nr = relu\n",
         "@:8: [block b] parameters: expected names of letters, digits and '_', found \"3x\""},
        {HEAD "a = b\n" TAIL "[block b]\n", "@:7: [block b]: no nodes"},
        {HEAD "a = b\n" TAIL "[block b]\nr = conv2d out=width\n[parameters]\nwidth = 3\n",
         "@:10: [parameters] width: has no effect: [network] does not use it"},
        {HEAD "a = relu\n" TAIL "[block relu]\nr = add\n", "@:7: [block relu]: \"relu\" is an op; choose another name"},
        {HEAD "a = relu\n" TAIL "[block two words]\nr = add\n",
         "@:7: [block two words]: expected a block name of letters, digits and '_', found \"two words\""},
        {HEAD "a = b repeat=1000\n" TAIL "[block b]\nc = d repeat=1000\n[block d]\nr = relu\n",
         "@:10: a.4.c.996.r: the network has more than 10000 nodes"},
        {HEAD "a = b repeat=2\na.1 = relu\n" TAIL "[block b]\nr = relu\n", "@:5: a.1: two nodes have this name"},
    };
    EXPECT_REFUSED(cases);
}

Test(refuse, sections_and_parameters) {
    static const refusal cases[] = {
        {"[network]\na = relu\n", "@: [model] lacks the key \"summary\" (text)"},
        {"[model]\nsummary = x\n", "@: section [network] is missing"},
        {"[model]\nsummary = x\n[network]\n", "@:3: [network]: no nodes"},
        {"[model]\nsumary = x\n[network]\na = relu\n", "@:2: [model] sumary: unknown key; did you mean \"summary\"?"},
        {"[model]\nsummary = x\n[netwrk]\na = relu\n", "@:3: unknown section [netwrk]; did you mean [network]?"},
        {"[model]\nsummary = x\ninput = 32x32\n[network]\na = relu\n",
         "@:3: [model] input: expected HEIGHTxWIDTHxCHANNELS, as 32x32x3, or data; found \"32x32\""},
        {"[model]\nsummary = x\ninput = 32x0x3\n[network]\na = relu\n",
         "@:3: [model] input: expected HEIGHTxWIDTHxCHANNELS, as 32x32x3, or data; found \"32x0x3\""},
        {"[model]\nsummary = x\ninput = 32x32x3\n[network]\n" TAIL,
         "@: [model] input: the network takes 32x32x3, the data is 8x8x1 (height x width x channels)"},
        {"[model]\nsummary = x\ntypical = 10\n[network]\n" TAIL,
         "@:3: [model] typical: expected HEIGHTxWIDTHxCHANNELS CLASSES, as 32x32x3 10; found \"10\""},
        {"[model]\nsummary = x\ntypical = 8x8 10\n[network]\n" TAIL,
         "@:3: [model] typical: expected HEIGHTxWIDTHxCHANNELS CLASSES, as 32x32x3 10; found \"8x8 10\""},
        {"[model]\nsummary = x\ntypical = 8x8x1 0\n[network]\n" TAIL,
         "@:3: [model] typical: expected HEIGHTxWIDTHxCHANNELS CLASSES, as 32x32x3 10; found \"8x8x1 0\""},
        {"[model]\nsummary = x\ninputs = a:3\ntypical = 8x8x1 2\n[network]\nfc = dense out=10\n",
         "@:4: [model] typical: expected a number of classes: the network says what it reads; found \"8x8x1 2\""},
        {"[model]\nsummary = x\nbase = resnet\ntypical = 7\n",
         "@:4: [model] typical: expected HEIGHTxWIDTHxCHANNELS CLASSES, as 32x32x3 10; found \"7\""},
        {HEAD "a = relu\n" TAIL "[parameters]\nwidth = 3\n",
         "@:8: [parameters] width: has no effect: [network] does not use it"},
        {HEAD "a = conv2d out=w\n" TAIL "[parameters]\nw = data\n",
         "@:8: [parameters] w: only parameters called classes, image_height or image_width can be data; "
         "others need a number behind it, as in data:64"},
        {HEAD "a = conv2d out=w\n" TAIL "[parameters]\nw = 2*v\nv = 3\n",
         "@:8: [parameters] w: expression \"2*v\", column 3: unknown name \"v\""},
        {HEAD "a = conv2d out=w\n" TAIL "[parameters]\nw = \n",
         "@:8: [parameters] w: expression \"\", column 1: ends where a value is expected"},
        {HEAD "a = conv2d out=in\n" TAIL "[parameters]\nin = 3\n",
         "@:8: [parameters] in: expected a name of letters, digits and '_' other than in and index"},
    };
    EXPECT_REFUSED(cases);
}

Test(refuse, shapes) {
    static const refusal cases[] = {
        {HEAD "a = conv2d out=4\n", "@:4: a: the last node's shape is 1x8x8x4, expected batch x classes, 1x10"},
        {HEAD "pool = global_avg_pool\nfc = dense out=11\n",
         "@:5: fc: the last node's shape is 1x11, expected batch x classes, 1x10"},
        {HEAD "a = conv2d out=4 kernel=3\nb = add from=a,input\n" TAIL, "@:5: b: add: *"},
        {HEAD "a = b repeat=2\n" TAIL "[block b]\nc = conv2d out=4 kernel=5 stride=2\n", "@:8: a.1.c: conv2d: *"},
        {HEAD "a = reshape shape=0,-1,9\n" TAIL, "@:4: a: reshape: x (1x8x8x1) does not fit the shape 1x-1x9"},
    };
    EXPECT_REFUSED(cases);
}

Test(refuse, bases) {
    static const refusal cases[] = {
        {"[model]\nsummary = x\nbase = resnett\n",
         "@:3: [model] base: there is no model \"resnett\"; did you mean \"resnet\"?"},
        {"[model]\nsummary = x\nbase = x.ini\n", "@:3: [model] base: more than 4 files stand on each other"},
        {"[model]\nsummary = x\nbase = resnet\n[parameters]\nwidht = 3\n",
         "@:5: [parameters] widht: unknown parameter \"widht\"; did you mean \"width\"?"},
        {"[model]\nsummary = x\nbase = resnet\n[block b]\na = relu\n", "@:4: unknown or unused section [block b]"},
        {"[model]\nsummary = x\nbase = resnet\n[network]\n", "@: [network]: no nodes"},
        {"[model]\nsummary = x\nbase = resnet\n[network]\nfc = relu\n",
         "@:5: [network] fc: the base has a node of this name, " LIMBECK_SOURCE_DIR "/models/resnet.ini:21"},
        {"[model]\nsummary = x\nbase = resnet\n[network]\nhead = dense from=avgpol out=10\n",
         "@:5: [network] head: unknown node in from: \"avgpol\"; did you mean \"avgpool\"?"},
        {"[model]\nsummary = x\nbase = resnet\n[network]\na = relu\nhead = dense from=avgpool out=10\n",
         "@:5: [network] a: has no effect: no node below reads it"},
        {"[model]\nsummary = x\nbase = resnet\n[network]\nhead = dense from=avgpool out=11\n",
         "@:5: head: the last node's shape is 1x11, expected batch x classes, 1x10"},
        {"[model]\nsummary = x\nbase = resnet\n[parameters]\nn = m\n",
         "@:5: [parameters] n: expression \"m\", column 1: unknown name \"m\""},
        {"[model]\nsummary = x\nbase = resnet\n[parameters]\nn = 0\n",
         LIMBECK_SOURCE_DIR "/models/resnet.ini:17: layer1: repeat=n: 0 is not in [1, 10000]"},
    };
    EXPECT_REFUSED(cases);
}

Test(refuse, weights) {
    static const refusal cases[] = {
        {HEAD "a = relu weights=b\n" TAIL, "@:4: [network] a: weights=b: relu has no weights"},
        {HEAD "a = conv2d out=1 weights=a*b*\n" TAIL, "@:4: [network] a: weights=a*b*: expected a name of letters, "
                                                      "digits, '_', '-', '.' and at most one '*', after a "
                                                      "'/' where it starts at the network's root"},
        {HEAD "a = conv2d out=1 weights=a/b\n" TAIL, "@:4: [network] a: weights=a/b: expected a name*"},
        {HEAD "a = conv2d out=1 weights=/\n" TAIL, "@:4: [network] a: weights=/: expected a name*"},
        {HEAD "a = b weights=c.*\n" TAIL "[block b]\nc = conv2d out=1\n",
         "@:4: [network] a: weights=c.*: '*' stands for the repetition, and this block is not repeated"},
        {HEAD "a = conv2d out=1\nb = conv2d out=2 weights=a\n" TAIL,
         "@:5: b: 'a.weight' is shared with another node, which has it as 1x1x1x1 in another layout than 1x1x1x2"},
        {HEAD "a = conv2d out=4\nb = batch_norm weights=a\n" TAIL,
         "@:5: b: 'a.weight' is shared with another node, which has it as 1x1x1x4 in another layout than 4"},
        {HEAD "p = global_avg_pool\na = dense out=1\nb = dense out=1 transposed=yes weights=a\nfc = dense out=10\n",
         "@:6: b: 'a.weight' is shared with another node, which has it as 1x1 in another layout than 1x1"},
        {HEAD "a = conv2d out=1 weights=b\nb = conv2d out=1\n" TAIL,
         "@:5: b: the name 'b.weight' is used twice in one graph"},
        {HEAD "a = b weights=1\n" TAIL "[block b]\nparameters = weights\nc = conv2d out=weights\n",
         "@:8: [block b] parameters: the name \"weights\" is taken"},
    };
    EXPECT_REFUSED(cases);
}

#define MODEL "[model]\nsummary = x\n" /* two lines */

Test(refuse, inputs) {
    static const refusal cases[] = {
        {MODEL "inputs =\n[network]\na = relu\n", "@:3: [model] inputs: names no input"},
        {MODEL "inputs = a\n[network]\na = relu\n",
         "@:3: [model] inputs: expected NAME:DIMENSIONS or NAME:DIMENSIONS:TYPE, found \"a\""},
        {MODEL "inputs = a:3:i64\n[network]\nb = relu\n",
         "@:3: [model] inputs: expected the type f32 or i32, found \"i64\""},
        {MODEL "inputs = a:3:i32:4\n[network]\nb = relu\n",
         "@:3: [model] inputs: expected the type f32 or i32, found \"i32:4\""},
        {MODEL "inputs = a+b:3\n[network]\nb = relu\n",
         "@:3: [model] inputs: expected names of letters, digits and '_', found \"a+b\""},
        {MODEL "inputs = a:3 a:4\n[network]\nb = relu\n", "@:3: [model] inputs: \"a\" is named twice"},
        {MODEL "inputs = a:1,1,1,1,1,1\n[network]\nb = relu\n", "@:3: [model] inputs: a has more than 5 dimensions"},
        {MODEL "inputs = a:n\n[network]\nb = relu\n",
         "@:3: [model] inputs: a: expression \"n\", column 1: unknown name \"n\""},
        {MODEL "inputs = a:\n[network]\nb = relu\n",
         "@:3: [model] inputs: a: expression \"\", column 1: ends where a value is expected"},
        {MODEL "inputs = a:3-3\n[network]\nb = relu\n",
         "@:3: [model] inputs: a: dimension 3-3: 0 is not in [1, 2147483647]"},
        {MODEL "inputs = a:3 b:3\n[network]\nc = relu\n", "@:3: [model] inputs: \"b\" has no effect: no node reads it"},
        {MODEL "input = 8x8x1\ninputs = a:3\n[network]\nc = relu\n",
         "@:3: [model] input: has no effect: \"inputs\" says what the network reads"},
        {MODEL "inputs = a:3\n[network]\na = relu\n",
         "@:5: [network] a: the name is taken: it is an input of the section"},
        {MODEL "inputs = tokens:3 b:3\n[network]\nc = relu from=token\nd = add from=b,c\n",
         "@:5: [network] c: unknown node in from: \"token\"; did you mean \"tokens\"?"},
        {MODEL "inputs = a:3\n[network]\nc = relu from=a:1\n", "@:5: [network] c: a:1: an input has one output"},
        {HEAD "a = b from=input,input\n" TAIL "[block b]\ninputs = x y:3\nr = add from=x,y\n",
         "@:8: [block b] inputs: expected a name alone, found \"y:3\""},
        {HEAD "a = b from=input,input\n" TAIL "[block b]\ninputs = x y\nr = relu\n",
         "@:8: [block b] inputs: \"y\" has no effect: no node reads it"},
        {HEAD "a = b\n" TAIL "[block b]\ninputs = x y\nr = add from=x,y\n",
         "@:4: [network] a: b reads 2 nodes, from names 1"},
    };
    EXPECT_REFUSED(cases);
}

Test(refuse, outputs) {
    static const refusal cases[] = {
        {MODEL "outputs =\n[network]\na = relu\n", "@:3: [model] outputs: names no node"},
        {MODEL "outputs = relu2\n[network]\nrelu1 = relu\n",
         "@:3: [model] outputs: unknown node \"relu2\"; did you mean \"relu1\"?"},
        {MODEL "outputs = a a\n[network]\na = relu\n", "@:3: [model] outputs: \"a\" is named twice"},
        {MODEL "outputs = input\n[network]\na = relu\n", "@:3: [model] outputs: \"input\" is an input of the network"},
        {MODEL "outputs = a\n[network]\na = relu\nb = relu\n",
         "@:6: [network] b: has no effect: no node below reads it"},
        {MODEL "outputs = a:1\n[network]\na = relu\n", "@: [model] outputs: a:1: output 1 is asked for, there is 1"},
        {MODEL "outputs = a:x\n[network]\na = relu\n",
         "@:3: [model] outputs: \"a:x\": expected an output's number, 0 to 5, behind the colon"},
        {MODEL "outputs = a:1\n[network]\na = b\n[block b]\nc = relu\n",
         "@:3: [model] outputs: a:1: b is a block and has one output"},
        {HEAD "a = relu when=0\nb = relu from=a:1\n" TAIL, "@:5: b: output 1 is asked for, there is 1"},
        {"[model]\nsummary = x\nbase = resnet\noutputs = fc\n",
         "@:4: [model] outputs: belongs into the file that has the network"},
    };
    EXPECT_REFUSED(cases);
}

Test(refuse, freezing_what_is_not_there) {
    static const char *const words[] = {"fc", "layer1.0.conv3"};
    network n;
    network_cifar(&n);
    n.use.freeze = (lbk_words){2, words};
    cr_assert_eq(network_try(&n, "resnet8", NULL), LBK_ERR_INPUT);
    expect_message("freeze: no weight of the network is called \"layer1.0.conv3\" or lies under it; did you mean "
                   "\"layer1.0.conv1\"?");
}

static void expect_override_refused(const char *overrides, const char *message) {
    network n;
    network_cifar(&n);
    n.use.overrides = overrides;
    cr_assert_eq(network_try(&n, "resnet20", NULL), LBK_ERR_INPUT, "%s", overrides);
    expect_message(message);
}

Test(refuse, overrides) {
    expect_override_refused("widht=3", "model resnet20: unknown parameter \"widht\"; did you mean \"width\"?");
    expect_override_refused("zebra=3", "model resnet20: unknown parameter \"zebra\"");
    expect_override_refused("width", "model resnet20: expected parameter=value, found \"width\"");
    expect_override_refused("width=", "model resnet20: expected parameter=value, found \"width=\"");
    expect_override_refused("width=3 width=4", "model resnet20: parameter \"width\" is set twice");
    expect_override_refused(
        "width=data",
        "model resnet20: width=data: only parameters called classes, image_height or image_width can be data; "
        "others need a number behind it, as in data:64");
    expect_override_refused("width=1.5", "model resnet20: width: expression \"1.5\", column 1: not an integer");
    expect_override_refused("width=1/0", "model resnet20: width: expression \"1/0\", column 2: division by zero");
    expect_override_refused("n=m", "model resnet20: n: expression \"m\", column 1: unknown name \"m\"");
}

static void expect_name_refused(const char *name, lbk_status status, const char *message) {
    lbk_model model;
    cr_assert_eq(lbk_model_load(&model, name, NULL), status, "%s", name);
    expect_message(message);
}

Test(refuse, names_of_models) {
    expect_name_refused("resnet21", LBK_ERR_INPUT, "there is no model \"resnet21\"; did you mean \"resnet20\"?");
    expect_name_refused("elephant", LBK_ERR_INPUT,
                        "there is no model \"elephant\"; `limbeck list models` shows the shipped ones, and a file of "
                        "your own is named by its path (./elephant.ini)");
    expect_name_refused("./elephant.ini", LBK_ERR_IO, "cannot read \"./elephant.ini\": No such file or directory");
}

Test(refuse, a_base_that_is_not_there) {
    static const char text[] = "[model]\nsummary = x\nbase = ./nowhere.ini\n";
    char want[1500];
    scratch_write(&s, "x.ini", text, strlen(text));
    snprintf(want, sizeof want, "%s/x.ini:3: [model] base: cannot read \"%s/./nowhere.ini\": No such file or directory",
             s.folder, s.folder);
    expect_name_refused(s.path, LBK_ERR_IO, want);
}
