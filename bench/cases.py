"""What is timed: ops, training steps, distillation steps; for each what Limbeck is asked for. pytorch.py does the same work."""

CLASSES = 100
IMAGE = "32x32x3"


class Op:
    """One op: its name in Limbeck, the shapes of its inputs there, its parameters. what: the same for PyTorch, see pytorch.py."""

    memory = False

    def __init__(self, name, op, shapes, params="", quick=False, **what):
        self.name, self.op, self.shapes, self.params, self.quick, self.what = name, op, shapes, params, quick, what

    def command(self, repeat):
        shapes = [word for shape in self.shapes for word in ("--shape", "x".join(map(str, shape)))]
        params = ["--params", self.params] if self.params else []
        return ["bench", "ops", "--op", self.op, *shapes, *params, "--repeat", str(repeat)]


class Steps:
    """Training steps of one network, or of a student beside its teacher. image None: they read something else."""

    memory = True

    def __init__(self, student, batch, teacher=None, image=IMAGE, quick=False):
        self.student, self.batch, self.teacher, self.image, self.quick = student, batch, teacher, image, quick
        self.name = (f"{teacher} -> " if teacher else "") + f"{student}, batch {batch}"

    def command(self, repeat, **settings):
        settings = {"student.momentum": 0.9, "student.weight_decay": 0.0005, **settings}
        which = ["kd", "--teacher", self.teacher, "--student", self.student] if self.teacher else ["train", "--model", self.student]
        image = ["--image", self.image] if self.image else []
        return ["bench", *which, *image, "--classes", str(CLASSES), "--batch", str(self.batch), "--steps", str(repeat),
                *(word for key, value in settings.items() for word in ("--set", f"{key}={value}"))]


def convolution(side, inputs, outputs, kernel=3, stride=1, groups=1, batch=128, quick=()):
    """Forward, with respect to x, with respect to the weights."""
    after, padding = (side - 1) // stride + 1, kernel // 2
    x, y = (batch, side, side, inputs), (batch, after, after, outputs)
    weight = (kernel, kernel, inputs // groups, outputs)
    window = f"stride={stride} padding={padding} groups={groups}"
    kind = "depthwise" if groups == inputs else f"{kernel}x{kernel}"
    name = f"conv {kind}{'/' + str(stride) if stride > 1 else ''}, {inputs} -> {outputs}, {side}x{side}"
    what = {"kind": "conv", "x": x, "weight": weight, "y": y, "stride": stride, "padding": padding, "groups": groups}
    return [
        Op(name, "conv2d", [x], f"out={outputs} kernel={kernel} bias=no {window}", "forward" in quick, part="forward", **what),
        Op(f"{name}, dx", "conv2d_backward_data", [y, weight], f"extent={side} {window}", "dx" in quick, part="dx", **what),
        Op(f"{name}, dw", "conv2d_backward_weights", [x, y], f"extent={kernel} {window}", "dw" in quick, part="dw", **what),
    ]


def product(n, quick=False):
    return Op(f"matrix product, {n}", "matmul", [(n, n), (n, n)], quick=quick, kind="product", n=n)


def normalisation(side, channels, quick=False):
    x, c = (128, side, side, channels), (channels,)
    return [
        Op(f"batch norm, {channels} x {side}x{side}", "batch_norm", [x], quick=quick, kind="batch_norm", x=x, part="forward"),
        Op(f"batch norm, {channels} x {side}x{side}, dx dw", "batch_norm_backward", [x, x, c, c, c, c], quick=quick, kind="batch_norm",
           x=x, part="backward"),
    ]


def attention(batch, length, heads, each, quick=False):
    x, lse = (batch, length, heads * each), (batch, heads, length)
    name = f"attention, {heads} heads of {each}, {length} tokens"
    what = {"kind": "attention", "x": x, "heads": heads}
    return [Op(name, "attention", [x, x, x], f"heads={heads}", quick, part="forward", **what),
            Op(f"{name}, dq dk dv", "attention_backward", [x, x, lse, x, x, x], f"heads={heads}", part="backward", **what)]


def loss(batch, classes):
    return Op(f"distillation loss and gradient, {batch} x {classes}", "distill_loss",
              [(batch, classes), (batch, classes), (batch,), (1,), (1,), (1,)], kind="loss", batch=batch, classes=classes)


ALL = ("forward", "dx", "dw")
OPS = [
    product(512), product(1024, quick=True), product(2048),
    *convolution(32, 3, 16, quick=("dw",)),
    *convolution(32, 16, 16, quick=ALL), *convolution(16, 32, 32, quick=ALL), *convolution(8, 64, 64, quick=ALL),
    *convolution(16, 128, 128), *convolution(8, 256, 256), *convolution(4, 512, 512),
    *convolution(32, 16, 32, stride=2, quick=("dw",)), *convolution(16, 32, 64, stride=2), *convolution(16, 128, 256, stride=2),
    *convolution(16, 16, 32, kernel=1), *convolution(16, 16, 96, kernel=1, quick=ALL), *convolution(8, 192, 32, kernel=1),
    *convolution(7, 512, 512, kernel=1), *convolution(16, 64, 64, kernel=1, stride=2),
    *convolution(16, 96, 96, groups=96, quick=ALL), *convolution(8, 192, 192, groups=192),
    *convolution(16, 72, 72, stride=2, groups=72),
    *normalisation(32, 16, quick=True), *normalisation(8, 64), *normalisation(16, 96),
    *attention(8, 197, 3, 64, quick=True), *attention(16, 128, 4, 64),
    loss(128, 10), loss(128, 100),
]

TRAIN = [
    *(Steps("resnet20", batch, quick=batch == 128) for batch in (64, 128)),
    *(Steps("mobilenet-v2-half", batch, quick=batch == 64) for batch in (64, 128)),
    *(Steps("wrn-16-2", batch) for batch in (64, 128)),
    Steps("vit-tiny-16", 8, image="224x224x3"),
    *(Steps("bert-mini", batch, image=None, quick=batch == 16) for batch in (8, 16, 32)),
    Steps("bert-small", 16, image=None),
    Steps("kws-cnn", 64, image=None),
    *(Steps("mlp-wide", batch, image="28x28x1") for batch in (64, 128)),
]

KD = [Steps(student, batch, teacher, quick=teacher == "resnet56" and batch == 128)
      for teacher, student in (("resnet56", "resnet20"), ("wrn-40-2", "wrn-16-2"), ("vgg13", "mobilenet-v2-half"))
      for batch in (64, 128)]

LARGE = [Steps("resnet50", 32, image="224x224x3")]  # for its memory

GROUPS = {"ops": OPS, "train": TRAIN, "kd": KD, "memory": [case for case in KD if case.batch == 128] + LARGE}
