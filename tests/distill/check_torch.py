#!/usr/bin/env python3
"""Distillation methods against PyTorch: check_torch.py TOOL_METHOD [CASE...].

tool_method runs one step of a small ResNet's objective in float64 and writes batch, weights, what the teacher sent, losses
and gradients. Here PyTorch's student with the same weights computes the loss as the method's paper states it, and its
gradients with respect to every weight, those of the method's own modules included. To add a method: a function with @case."""

import math
import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "parity"))

try:
    import torch
    import torch.nn as nn
    import torch.nn.functional as F
    from torch.nn.utils.stateless import functional_call
except ImportError:
    print("skipped: PyTorch is not installed")
    sys.exit(77)

import resnet
import safetensors_file

LOSS_BOUND, GRADIENT_BOUND = 2e-6, 2e-5  # relative; the files hold single precision
CASES = []


class Student(resnet.ResNet):
    """resnet8 on the digits, with the taps that methods read."""

    def __init__(self, width=3):
        super().__init__(8, stem=width, width=width)
        self.conv1 = nn.Conv2d(1, width, 3, 1, 1, bias=False)
        self.taps = {}

    def forward(self, x):
        t = self.taps
        x = F.relu(self.bn1(self.conv1(x)))
        t["stages"], t["before"] = [], []
        for i, block in enumerate((self.layer1[0], self.layer2[0], self.layer3[0])):
            y = block.bn2(block.conv2(F.relu(block.bn1(block.conv1(x)))))
            t["before"].append(y + (block.downsample(x) if block.downsample else x))
            x = t[f"layer{i + 1}"] = F.relu(t["before"][-1])
            t["stages"].append(x)
        t["feature"] = t["layer3"].mean(dim=(2, 3))
        return self.fc(t["feature"])


class Layer(nn.Module):
    """Of a vision transformer. Leaves the scores of its attention before the softmax, [B,heads,T,T]."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.ln_1, self.ln_2 = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
        self.self_attention = nn.MultiheadAttention(width, heads, batch_first=True)  # for its parameters
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Identity(), nn.Linear(4 * width, width))

    def forward(self, x):
        own = self.self_attention
        parts = F.linear(self.ln_1(x), own.in_proj_weight, own.in_proj_bias).chunk(3, dim=2)
        q, k, v = (part.unflatten(2, (self.heads, -1)).transpose(1, 2) for part in parts)
        self.scores = q @ k.transpose(2, 3) / q.shape[3] ** 0.5
        x = x + own.out_proj((self.scores.softmax(3) @ v).transpose(1, 2).flatten(2))
        return x + self.mlp(self.ln_2(x))


class Transformer(nn.Module):
    """The student of lbk_method_example_sequences, named as in models/vit.ini."""

    def __init__(self, width=6, depth=2, heads=2):
        super().__init__()
        self.conv_proj = nn.Conv2d(1, width, 4, 4)
        self.class_token = nn.Parameter(torch.zeros(1, 1, width))
        self.encoder = nn.Module()
        self.encoder.pos_embedding = nn.Parameter(torch.zeros(1, 5, width))
        layers = {f"encoder_layer_{i}": Layer(width, heads) for i in range(depth)}
        self.encoder.layers = nn.ModuleDict(layers)
        self.encoder.ln = nn.LayerNorm(width, eps=1e-6)
        self.heads = nn.ModuleDict({"head": nn.Linear(width, 10)})
        self.taps = {"stages": [], "scores": []}

    def forward(self, x):
        squares = self.conv_proj(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.class_token.expand(len(x), -1, -1), squares], dim=1) + self.encoder.pos_embedding
        for layer in self.encoder.layers.values():
            x = layer(x)
            self.taps["stages"].append(x)
            self.taps["scores"].append(layer.scores)
        return self.heads["head"](self.encoder.ln(x)[:, 0])


class Step:
    """What tool_method wrote, as a method's formula wants it: images channels first."""

    def __init__(self, tensors):
        self.tensors = {name: torch.tensor(value).double() for name, value in tensors.items()}
        self.labels = self.tensors["labels"].long()
        self.x = self.image(self.tensors["x"]).requires_grad_()
        self.teacher_logits = self.tensors.get("teacher.0.0.logits")
        self.student = (Transformer() if "student.class_token" in tensors else Student()).double()
        own, self.modules = {}, {}
        for name, value in self.tensors.items():
            module = re.match(r"student\.(?:distill\.|(?=simkd\.))", name)  # the method's, or deployed with the student
            if module:
                self.modules[name[module.end() :]] = value.clone().requires_grad_()
            elif name.startswith("student."):
                own[name[len("student.") :]] = value
        missing, unexpected = self.student.load_state_dict(own, strict=False)
        assert not unexpected and all(re.match(self.absent(own), name) for name in missing), (missing, unexpected)
        self.logits = self.student(self.x)
        self.taps = self.student.taps
        self.own = 0  # what a method's own networks learn by

    @staticmethod
    def absent(own):
        """What files lack: counters, and a classifier in whose place another one is deployed."""
        return r".*num_batches" if "fc.bias" in own or "heads.head.bias" in own else r".*num_batches|fc\."

    @staticmethod
    def image(x):
        return x.permute(0, 3, 1, 2)

    def sent(self, pair, method=0):
        """The teacher's side of a pair as it comes."""
        return self.tensors[f"pair.{method}.{pair}.teacher"]

    def teacher(self, pair, method=0):
        """The same, channels first."""
        value = self.sent(pair, method)
        return self.image(value) if value.dim() == 4 else value

    def extra(self, name):
        """A value of the teacher that is no layer, as it lies on the device."""
        return next(v for k, v in self.tensors.items() if k.startswith("teacher.0.") and k.split(".", 3)[3] == name)

    def teacher_classifier(self, x):
        return x @ self.extra("fc.weight") + self.extra("fc.bias")

    def connector(self, path, x):
        """lbk_method_connector(): a convolution of one pixel or a dense layer, batch norm."""
        if x.dim() == 4:
            return self.norm(path, F.conv2d(x, self.modules[f"{path}.conv.weight"]))
        return self.norm(path, F.linear(x, self.modules[f"{path}.fc.weight"]))

    def norm(self, path, x):
        weight, bias = self.modules[f"{path}.bn.weight"], self.modules[f"{path}.bn.bias"]
        return F.batch_norm(x, None, None, weight, bias, training=True)

    def hard(self):
        if "share" in self.tensors:
            return self.mixed_hard()
        seen = self.labels >= 0
        return F.cross_entropy(self.logits[seen], self.labels[seen])

    def mixed_hard(self):
        """mixup: each row's two cross entropies by their shares, over the labelled part of all rows."""
        sum, mass = 0, 0
        for labels, share in (
            (self.labels, self.tensors["share"]),
            (self.tensors["partner_labels"].long(), 1 - self.tensors["share"]),
        ):
            losses = F.cross_entropy(self.logits, labels, ignore_index=-1, reduction="none")
            sum, mass = sum + (losses * share).sum(), mass + (share * (labels >= 0)).sum()
        return sum / mass

    def teacher_copy(self, x):
        """Logits of the copy on the student's device, in evaluation mode."""
        return self.run("teacher", x, width=4, training=False)

    def run(self, path, x, width=3, training=True):
        """Logits of a network of the student's kind whose weights are the method's, below `path`."""
        below = {name[len(path) + 1 :]: w for name, w in self.modules.items() if name.startswith(path + ".")}
        weights = {name: w.detach() if "running" in name else w for name, w in below.items()}
        network = Student(width).double().train(training)
        logits = functional_call(network, weights, (x,))
        self.copy_feature = network.taps["feature"]
        return logits

    def module(self, name):
        return self.modules[name]

    def regressor(self, method, index, x, target, rectified=True):
        """lbk_method_regressor(): a convolution to the target's shape, batch norm, ReLU."""
        path = f"{method}.regressor{index}"
        if x.dim() == 4:
            weight, bias = self.modules[f"{path}.conv.weight"], self.modules[f"{path}.conv.bias"]
            if x.shape[2] == 2 * target.shape[2]:
                y = F.conv2d(x, weight, bias, stride=2, padding=1)
            elif 2 * x.shape[2] == target.shape[2]:
                y = F.conv_transpose2d(x, weight, bias, stride=2, padding=1)
            else:
                y = F.conv2d(x, weight, bias)
        else:
            y = F.linear(x, self.modules[f"{path}.fc.weight"], self.modules[f"{path}.fc.bias"])
        if not rectified:
            return y
        return F.relu(self.norm(path, y))


def case(name, *sets, weight=1.0, hard=1.0, methods=None):
    """The decorated function gives the unweighted loss of `methods` (name without what stands behind a '/')."""

    def add(function):
        CASES.append((name, methods or name.split("/")[0], sets, weight, hard, function))
        return function

    return add


# ---- Methods ----


@case("mse")
def mse(s):
    return F.mse_loss(s.logits, s.teacher_logits)


def kl(student, teacher, temperature):
    p = F.softmax(teacher / temperature, 1)
    return temperature**2 * F.kl_div(F.log_softmax(student / temperature, 1), p, reduction="batchmean")


@case("kd", "distill.kd.temperature=3")
def kd(s):
    return kl(s.logits, s.teacher_logits, 3)


@case("kd/ramp", "distill.kd.temperature=10 -> 1")
def kd_ramp(s):
    return kl(s.logits, s.teacher_logits, 5.5)


@case("soft_ce", "distill.soft_ce.temperature=3")
def soft_ce(s):
    targets = F.softmax(s.teacher_logits / 3, 1)
    return -(9 * targets * F.log_softmax(s.logits / 3, 1)).sum(1).mean()


@case("logit_std", "distill.logit_std.temperature=1.5")
def logit_std(s):
    def standard(z):
        return (z - z.mean(1, keepdim=True)) / (1e-7 + z.std(1, keepdim=True))

    return kl(standard(s.logits), standard(s.teacher_logits), 1.5)


def dkd_loss(student, teacher, labels, alpha, beta, t):
    """Zhao et al. 2022, equation 7, over rows that all have a label."""
    target = F.one_hot(labels, student.shape[1])

    def both(z):
        p = F.softmax(z / t, 1)
        return torch.stack([(p * target).sum(1), (p * (1 - target)).sum(1)], 1)

    def others(z):
        return F.log_softmax(z[target == 0].view(len(z), -1) / t, 1)

    tckd = F.kl_div(both(student).log(), both(teacher), reduction="batchmean")
    nckd = F.kl_div(others(student), others(teacher).exp(), reduction="batchmean")
    return t**2 * (alpha * tckd + beta * nckd)


@case("dkd", "data.labels=1", "distill.dkd.temperature=3", "distill.dkd.beta=2", "distill.dkd.alpha=0.5")
def dkd(s):
    assert (s.labels >= 0).all()
    return dkd_loss(s.logits, s.teacher_logits, s.labels, 0.5, 2, 3)


@case("dkd/unlabelled")
def dkd_unlabelled(s):
    seen = s.labels >= 0
    assert 0 < seen.sum() < len(seen)
    return dkd_loss(s.logits[seen], s.teacher_logits[seen], s.labels[seen], 1, 8, 4)


@case("dkd/standardised", "distill.dkd.standardise=yes", "distill.dkd.temperature=2")
def dkd_standardised(s):
    def standard(z):
        z = z[s.labels >= 0]
        return (z - z.mean(1, keepdim=True)) / z.std(1, keepdim=True)

    return dkd_loss(standard(s.logits), standard(s.teacher_logits), s.labels[s.labels >= 0], 1, 8, 2)


def mixed(s, loss):
    """mixup: the loss of each row with its own label and with its partner's, by their shares, over the labelled part."""
    sum, mass = 0, 0
    share, partner = s.tensors["share"], s.tensors["partner_labels"].long()
    assert 0 < share.min() and share.max() < 1 and (s.labels < 0).any() and (partner != s.labels).any()
    for labels, part in ((s.labels, share), (partner, 1 - share)):
        for i in range(len(labels)):
            if labels[i] >= 0:
                sum, mass = sum + part[i] * loss(i, labels[i : i + 1]), mass + part[i]
    return sum / mass


@case("dkd/mixed", "data.mix=mixup", "mix.mixup.alpha=0.8")
def dkd_mixed(s):
    return mixed(s, lambda i, y: dkd_loss(s.logits[i : i + 1], s.teacher_logits[i : i + 1], y, 1, 8, 4))


@case("wsld/mixed", "data.mix=mixup", "mix.mixup.alpha=0.8")
def wsld_mixed(s):
    def one(i, y):
        student, teacher = s.logits[i : i + 1], s.teacher_logits[i : i + 1]
        ratio = (F.cross_entropy(student, y) / F.cross_entropy(teacher, y)).detach()
        return 4 * (1 - torch.exp(-ratio)) * F.cross_entropy(student / 2, F.softmax(teacher / 2, 1))

    return mixed(s, one)


@case("tf_kd/mixed", "teacherless", "data.mix=mixup", "mix.mixup.alpha=0.8", "distill.tf_kd.temperature=0.3")
def tf_kd_mixed(s):
    def one(i, y):
        virtual = torch.full_like(s.logits[:1], 0.01 / (s.logits.shape[1] - 1))
        virtual[0, y] = 0.99
        return kl(s.logits[i : i + 1], virtual / 0.3, 1)

    return mixed(s, one)


@case("dist", "distill.dist.temperature=2", "distill.dist.beta=0.7", "distill.dist.gamma=1.5")
def dist(s):
    def apart(a, b):
        pairs = torch.stack([torch.corrcoef(torch.stack([x, y]))[0, 1] for x, y in zip(a, b)])
        return 1 - pairs.mean()

    a, b = F.softmax(s.logits / 2, 1), F.softmax(s.teacher_logits / 2, 1)
    return 4 * (0.7 * apart(a, b) + 1.5 * apart(a.T, b.T))


@case("js", "distill.js.beta=0.3", "distill.js.temperature=2")
def js(s):
    a, b = F.softmax(s.logits / 2, 1), F.softmax(s.teacher_logits / 2, 1)
    mixture = (0.3 * b + 0.7 * a).log()
    return 4 * (
        0.3 * F.kl_div(mixture, b, reduction="batchmean") + 0.7 * F.kl_div(mixture, a, reduction="batchmean")
    )


@case("tv", "distill.tv.temperature=2")
def tv(s):
    return 2 * 0.5 * (F.softmax(s.logits / 2, 1) - F.softmax(s.teacher_logits / 2, 1)).abs().sum(1).mean()


@case("binary", "distill.binary.temperature=2")
def binary(s):
    a, b = torch.sigmoid(s.logits / 2), torch.sigmoid(s.teacher_logits / 2)
    return 4 * (b * (b / a).log() + (1 - b) * ((1 - b) / (1 - a)).log()).sum(1).mean()


@case("pseudo", "distill.pseudo.threshold=0.34", hard=0.3)
def pseudo(s):
    probability, label = F.softmax(s.teacher_logits, 1).max(1)
    used = probability > 0.34
    assert 0 < used.sum() < len(used)
    return F.cross_entropy(s.logits[used], label[used])


@case("pseudo/unlabelled", "distill.pseudo.threshold=0.2", "distill.pseudo.rows=unlabelled")
def pseudo_unlabelled(s):
    probability, label = F.softmax(s.teacher_logits, 1).max(1)
    used = (probability > 0.2) & (s.labels < 0)
    assert 0 < used.sum() < len(used)
    return F.cross_entropy(s.logits[used], label[used])


@case("pseudo/unsure", "distill.pseudo.threshold=0.95")
def pseudo_unsure(s):
    assert F.softmax(s.teacher_logits, 1).max() < 0.95
    return 0 * s.logits.sum()


@case("tf_kd", "teacherless", "distill.tf_kd.correct=0.9", "distill.tf_kd.temperature=0.3")
def tf_kd(s):
    seen = s.labels >= 0
    classes = s.logits.shape[1]
    virtual = torch.full_like(s.logits, 0.1 / (classes - 1))
    virtual[seen, s.labels[seen]] = 0.9
    target = F.softmax(virtual[seen] / 0.3, 1)
    return F.kl_div(F.log_softmax(s.logits[seen], 1), target, reduction="batchmean")


@case("tf_kd/smoothing", "teacherless", "distill.tf_kd.correct=1", f"distill.tf_kd.temperature={1 / math.log(91):.17g}")
def tf_kd_smoothing(s):
    """Label smoothing by 0.1 of ten classes, less the entropy of its targets."""
    seen = s.labels >= 0
    entropy = -(0.91 * math.log(0.91) + 0.09 * math.log(0.01))
    return F.cross_entropy(s.logits[seen], s.labels[seen], label_smoothing=0.1) - entropy


@case("wsld", "distill.wsld.temperature=3")
def wsld(s):
    seen = s.labels >= 0
    student, teacher, labels = s.logits[seen], s.teacher_logits[seen], s.labels[seen]
    soft = -(F.softmax(teacher / 3, 1) * F.log_softmax(student / 3, 1)).sum(1)
    ratio = F.cross_entropy(student, labels, reduction="none") / F.cross_entropy(teacher, labels, reduction="none")
    return (9 * (1 - torch.exp(-ratio.detach())) * soft).mean()


@case("kd/mixed", "data.mix=mixup", "mix.mixup.alpha=0.8", hard=0.6)
def kd_mixed(s):
    return kl(s.logits, s.teacher_logits, 4)


@case("fitnet", "distill.fitnet.layers=stages")
def fitnet(s):
    return sum(
        F.mse_loss(s.regressor("fitnet", i, x, s.teacher(i)), s.teacher(i)) for i, x in enumerate(s.taps["stages"])
    )


def attention(x, p):
    return F.normalize(x.abs().pow(p).mean(1).flatten(1))


@case("at", "distill.at.p=3")
def at(s):
    return sum(
        (attention(x, 3) - attention(s.teacher(i), 3)).pow(2).mean() for i, x in enumerate(s.taps["stages"])
    )


@case("srrl", "distill.srrl.logits=0.3")
def srrl(s):
    guess = F.relu(s.connector("srrl.connector", s.taps["feature"]))
    return F.mse_loss(guess, s.teacher(0)) + 0.3 * F.mse_loss(s.teacher_classifier(guess), s.teacher_logits)


@case("simkd", "distill.simkd.factor=3")
def simkd(s):
    """The deployed logits take the place of the student's, so the hard loss is theirs."""
    x = F.relu(s.connector("simkd.projector.0", s.taps["layer3"]))
    x = F.relu(s.norm("simkd.projector.1", F.conv2d(x, s.module("simkd.projector.1.conv.weight"), padding=1)))
    x = F.relu(s.connector("simkd.projector.2", x))
    assert s.module("simkd.projector.1.conv.weight").shape[0] == x.shape[1] // 3
    frozen = [s.module(f"simkd.classifier.{name}").detach() for name in ("weight", "bias")]
    s.logits = F.linear(x.mean((2, 3)), *frozen)
    return F.mse_loss(x, s.teacher(0))


@case("sp", "distill.sp.layers=stages", weight=3000)
def sp(s):
    def similarity(x):
        rows = x.flatten(1)
        return F.normalize(rows @ rows.t())

    return sum(
        (similarity(x) - similarity(s.teacher(i))).pow(2).sum() / len(x) ** 2 for i, x in enumerate(s.taps["stages"])
    )


@case("cc", "distill.cc.width=5", weight=0.7)
def cc(s):
    def embed(side, x):
        return F.linear(x, s.module(f"cc.{side}0.weight"), s.module(f"cc.{side}0.bias"))

    delta = (embed("student", s.taps["feature"]) - embed("teacher", s.teacher(0))).abs()
    return (delta[:-1] * delta[1:]).sum(1).mean()


@case("rkd", "distill.rkd.distance=3", "distill.rkd.angle=7", weight=5)
def rkd(s):
    def distances(x):
        d = torch.stack([torch.stack([(a - b).pow(2).sum().clamp_min(1e-18).sqrt() for b in x]) for a in x])
        d = d * (1 - torch.eye(len(x)))
        return d / d[d > 0].mean()

    def angles(x):
        e = F.normalize(x.unsqueeze(0) - x.unsqueeze(1), dim=2)
        return torch.bmm(e, e.transpose(1, 2))

    student, teacher = s.taps["feature"], s.teacher(0)
    return 3 * F.smooth_l1_loss(distances(student), distances(teacher)) + 7 * F.smooth_l1_loss(
        angles(student), angles(teacher)
    )


@case("pkt", weight=30000)
def pkt(s):
    def neighbours(x):
        x = x / (x.norm(dim=1, keepdim=True) + 1e-7)
        similarity = (x @ x.t() + 1) / 2
        return similarity / similarity.sum(1, keepdim=True)

    student, teacher = neighbours(s.taps["feature"]), neighbours(s.teacher(0))
    return (teacher * torch.log((teacher + 1e-7) / (student + 1e-7))).mean()


@case("nst", weight=50)
def nst(s):
    def kernel(a, b):
        return (a.unsqueeze(1) * b.unsqueeze(2)).sum(-1).pow(2).mean()

    def discrepancy(student, teacher):
        student, teacher = F.normalize(student.flatten(2), dim=2), F.normalize(teacher.flatten(2), dim=2)
        return kernel(teacher, teacher) + kernel(student, student) - 2 * kernel(student, teacher)

    return sum(discrepancy(x, s.teacher(i)) for i, x in enumerate(s.taps["stages"]))


@case("vid", "distill.vid.variance=2")
def vid(s):
    def loss(i, x, target):
        for k in range(3):
            x = F.conv2d(F.relu(x) if k else x, s.module(f"vid.mean{i}.conv{k}.weight"))
        variance = (torch.log(1 + torch.exp(s.module(f"vid.rho{i}"))) + 1e-5).view(1, -1, 1, 1)
        return (0.5 * ((x - target) ** 2 / variance + torch.log(variance))).mean()

    return sum(loss(i, x, s.teacher(i)) for i, x in enumerate(s.taps["stages"]))

def hcl(student, teacher, levels):
    loss, weight, total = F.mse_loss(student, teacher), 1, 1
    for size in levels:
        if size < student.shape[2]:
            weight /= 2
            pooled = [F.adaptive_avg_pool2d(x, size) for x in (student, teacher)]
            loss, total = loss + weight * F.mse_loss(*pooled), total + weight
    return loss / total


def review(s, layers, teachers, levels):
    loss, residual = 0, None
    for i in reversed(range(len(layers))):
        x = s.connector(f"reviewkd.review{i}.in", layers[i])
        if residual is not None:
            residual = F.interpolate(residual, x.shape[2:], mode="nearest")
            path = f"reviewkd.review{i}.attention"
            z = F.conv2d(torch.cat([x, residual], 1), s.module(f"{path}.weight"), s.module(f"{path}.bias")).sigmoid()
            x = x * z[:, :1] + residual * z[:, 1:]
        residual = x
        path = f"reviewkd.review{i}.out"
        guess = s.norm(path, F.conv2d(x, s.module(f"{path}.conv.weight"), padding=1))
        loss = loss + hcl(guess, teachers[i], levels)
    return loss


@case("reviewkd")
def reviewkd(s):
    teachers = [s.teacher(i) for i in range(3)] + [s.teacher(3)[:, :, None, None]]
    assert s.module("reviewkd.review0.in.conv.weight").shape[0] == s.taps["feature"].shape[1]
    return review(s, s.taps["stages"] + [s.taps["feature"][:, :, None, None]], teachers, [4, 2, 1])


@case(
    "reviewkd/before",
    "distill.reviewkd.layers=stages",
    "distill.reviewkd.levels=5,1",
    "distill.reviewkd.channels=7",
    "distill.reviewkd.student_before_activation=yes",
)
def reviewkd_before(s):
    assert s.module("reviewkd.review0.in.conv.weight").shape[0] == 7
    return review(s, s.taps["before"], [s.teacher(i) for i in range(3)], [5, 1])


def expected_negative(mean, deviation):
    s, normal = deviation.abs(), torch.distributions.Normal(0.0, 1.0)
    u = -mean / s
    part = normal.cdf(u)
    return torch.where(part > 0.001, mean - s * normal.log_prob(u).exp() / part, -3 * s)


def ofd(s):
    loss = 0
    for i, x in enumerate(s.taps["before"]):
        x, t = s.connector(f"ofd.connector{i}", x), s.teacher(i)
        norm = f"layer{i + 1}.0.bn2"
        margin = expected_negative(s.extra(f"{norm}.bias"), s.extra(f"{norm}.weight"))[:, None, None]
        counted = (
            (x - margin) ** 2 * ((x > margin) & (t <= margin))
            + (x - t) ** 2 * ((x > t) & (t > margin) & (t <= 0))
            + (x - t) ** 2 * (t > 0)
        )
        loss = loss + counted.mean(0).sum() / 2 ** (2 - i)
    return loss


case("ofd")(ofd)


@case("ab", "distill.ab.margin=0.6")
def ab(s):
    loss, m = 0, 0.6
    for i, x in enumerate(s.taps["before"]):
        x, t = s.connector(f"ab.connector{i}", x), s.teacher(i)
        wrong = (x + m) ** 2 * ((x > -m) & (t <= 0)) + (x - m) ** 2 * ((x <= m) & (t > 0))
        loss = loss + 2.0 ** (i - 2) * wrong.sum() / x.shape[0]
    return loss


def flows(maps):
    for low, high in zip(maps, maps[1:]):
        low = F.adaptive_avg_pool2d(low, high.shape[2:])
        yield (low.unsqueeze(2) * high.unsqueeze(1)).mean((3, 4))


def kdsvd(s, spread, vector):
    """`vector` of a sample's pixels [HW,C] and what its sign is to go by; channels differ, so a connector comes first."""

    def likeness(low, high):
        return torch.exp(-((high[:, None] - low[None, :]) ** 2) / spread)

    loss = 0
    for b in range(len(s.x)):
        student, teacher = [], []
        for i, x in enumerate(s.taps["stages"]):
            x = F.relu(s.connector(f"kdsvd.connector{i}", x))
            own, target = (y[b].flatten(1).t() for y in (x, s.teacher(i)))
            teacher.append(vector(target, target.mean(0)))
            student.append(vector(own, teacher[-1]))
        for i in range(2):
            loss = loss + (likeness(*student[i : i + 2]) - likeness(*teacher[i : i + 2])).pow(2).sum()
    return loss / len(s.x)


@case("kdsvd", "distill.kdsvd.iterations=3", "distill.kdsvd.spread=0.7", weight=100)
def kdsvd_power(s):
    def vector(x, start):
        gram = x.t() @ x / x.norm() ** 2
        power = 3 if x.shape[0] >= x.shape[1] else 4  # to the left vectors and back again is one more
        return F.normalize(torch.linalg.matrix_power(gram, power) @ start, dim=0)

    return kdsvd(s, 0.7, vector)


@case("kdsvd/converged", "distill.kdsvd.iterations=150", "distill.kdsvd.spread=0.5", weight=100)
def kdsvd_decomposed(s):
    def vector(x, start):
        first = torch.linalg.svd(x, full_matrices=False)[2][0]
        return first * torch.sign(first.detach() @ start)

    return kdsvd(s, 0.5, vector)


@case("fsp")
def fsp(s):
    maps = [s.connector(f"fsp.connector{i}", x) for i, x in enumerate(s.taps["stages"])]
    pairs = zip(flows(maps), flows([s.teacher(i) for i in range(3)]))
    return sum((a - b).pow(2).mean() for a, b in pairs)


def ft(s, p1, p2, rate, reconstruction):
    def conv(path, x, function=F.conv2d):
        return function(x, s.module(f"ft.{path}.weight"), s.module(f"ft.{path}.bias"), padding=1)

    student, teacher = s.taps["layer3"], s.teacher(0)
    assert s.module("ft.paraphraser0.conv1.weight").shape[0] == int(rate * teacher.shape[1])
    factor = teacher
    for i in range(3):
        factor = F.leaky_relu(conv(f"paraphraser0.conv{i}", factor), 0.1)
        student = F.leaky_relu(s.norm(f"ft.translator0.layer{i}", conv(f"translator0.layer{i}.conv", student)), 0.1)
    back = factor
    for i in range(3):
        back = F.leaky_relu(conv(f"paraphraser0.deconv{i}", back, F.conv_transpose2d), 0.1)
    a, b = (F.normalize(x.pow(p1).mean(1).flatten(1)) for x in (student, factor.detach()))
    return (a - b).abs().pow(p2).mean() + reconstruction * F.mse_loss(back, teacher)


@case("ft")
def ft_default(s):
    return ft(s, 2, 1, 0.5, 0.005)


@case("ft/other", *(f"distill.ft.{x}" for x in ("p1=3", "p2=2", "rate=0.3", "reconstruction=0.7")))
def ft_other(s):
    return ft(s, 3, 2, 0.3, 0.7)


# The teacher of lbk_method_example_sequences has four layers of width 8, the student two of width 6.


@case("hidden")
def hidden(s):
    return sum(
        F.mse_loss(s.regressor("hidden", i, x, s.teacher(i), False), s.teacher(i))
        for i, x in enumerate(s.taps["stages"])
    )


@case("hidden/equal", "distill.hidden.layers=last", "teacher.parameters=patch=4 width=6 depth=3 heads=3")
def hidden_equal(s):
    assert not s.modules
    return F.mse_loss(s.taps["stages"][1], s.teacher(0))


@case("cosine", "distill.cosine.layers=layers.1:layers.0", hard=0.1)
def cosine(s):
    x, target = s.regressor("cosine", 0, s.taps["stages"][1], s.teacher(0), False), s.teacher(0)
    ones = torch.ones(x.shape[0] * x.shape[1])
    return F.cosine_embedding_loss(x.flatten(0, 1), target.flatten(0, 1), ones)


def patience(s, layers):
    student = [s.regressor("pkd", i, s.taps["stages"][i][:, 0], s.teacher(i)[:, 0], False) for i in range(layers)]
    teacher = [s.teacher(i)[:, 0] for i in range(layers)]
    return F.mse_loss(F.normalize(torch.stack(student, 1), dim=2), F.normalize(torch.stack(teacher, 1), dim=2))


@case("pkd", weight=100)
def pkd(s):
    return patience(s, 1)


@case("attention_map", weight=5)
def attention_map(s):
    return sum(F.mse_loss(a, s.sent(i)) for i, a in enumerate(s.taps["scores"]))


@case("attention_map/kl", "distill.attention_map.loss=kl", weight=100)
def attention_map_kl(s):
    def divergence(student, teacher):
        teacher = teacher.softmax(-1)
        return (teacher * (teacher.log() - student.log_softmax(-1))).sum(-1).mean()

    return sum(divergence(a, s.sent(i)) for i, a in enumerate(s.taps["scores"]))


MEANS = ("distill.attention_map.heads=mean", "teacher.parameters=patch=4 width=8 depth=4 heads=4")


@case("attention_map/mean", *MEANS, weight=5)
def attention_map_mean(s):
    return sum(F.mse_loss(a.mean(1), s.sent(i).mean(1)) for i, a in enumerate(s.taps["scores"]))


@case("attention_map/mean_kl", *MEANS, "distill.attention_map.loss=kl", weight=100)
def attention_map_mean_kl(s):
    def divergence(student, teacher):
        student, teacher = student.softmax(-1).mean(1), teacher.softmax(-1).mean(1)
        return F.kl_div(student.log(), teacher, reduction="sum") / teacher[..., 0].numel()

    return sum(divergence(a, s.sent(i)) for i, a in enumerate(s.taps["scores"]))
def crd(s, temperature, negatives, dim):
    index = s.tensors["input.crd.index"].long()
    assert index.shape[1] == negatives + 1
    loss = 0
    for own, other, x in (("student", "teacher", s.taps["feature"]), ("teacher", "student", s.teacher(0))):
        v = F.normalize(F.linear(x, s.module(f"crd.embed_{own}.weight"), s.module(f"crd.embed_{own}.bias")))
        bank = s.module(f"crd.bank_{other}").detach()
        n, share = bank.shape[0], negatives / bank.shape[0]
        assert v.shape[1] == dim
        scores = torch.exp((bank[index] * v[:, None]).sum(2) / temperature)
        z = s.module(f"crd.z_{own}").detach()
        p = scores / (z if z > 0 else scores.detach().mean() * n)
        told = (share / (p[:, 1:] + share + 1e-7)).log().sum() + (p[:, 0] / (p[:, 0] + share + 1e-7)).log().sum()
        loss = loss - told / len(x)
    return loss


@case("crd", "distill.crd.negatives=16384")
def crd_default(s):
    assert all(s.tensors["input.crd.index"][:, 0] == s.tensors["samples"])
    return crd(s, 0.07, 16384, 128)


@case("crd/relax", *(f"distill.crd.{x}" for x in ("mode=relax", "temperature=0.3", "negatives=41", "dim=9")))
def crd_relax(s):
    positive = s.tensors["input.crd.index"][:, 0]
    assert any(positive != s.tensors["samples"])
    return crd(s, 0.3, 41, 9)
def mutual(s, weight, logits):
    def agreement(k):
        return sum(kl(logits[k], z.detach(), 1) for l, z in enumerate(logits) if l != k) / (len(logits) - 1)

    seen = s.labels >= 0
    s.own = sum(
        F.cross_entropy(logits[k][seen], s.labels[seen]) + weight * agreement(k) for k in range(1, len(logits))
    )
    return agreement(0)


@case("dml", "distill.dml.peers=2", "teacherless", weight=0.7)
def dml(s):
    return mutual(s, 0.7, [s.logits, s.run("dml.peer1", s.x), s.run("dml.peer2", s.x)])


@case("dml/resnet8", "distill.dml.peer_model=resnet8", "teacherless")
def dml_resnet8(s):
    return mutual(s, 1, [s.logits, s.run("dml.peer1", s.x, width=16)])


def mean_teacher(s, x):
    """The average after its step: at step 3 of the run min(1 - 1/4, decay) of it stays."""
    for name, w in s.student.named_parameters():
        average = s.modules[f"ema.average.{name}"]
        s.modules[f"ema.average.{name}"] = (0.75 * average + 0.25 * w).detach()
    return s.run("ema.average", x).detach()


@case("ema", "teacherless", "distill.ema.weight=1")
def ema(s):
    assert not torch.equal(s.tensors["input.ema.images"], s.tensors["x"])
    average = mean_teacher(s, s.image(s.tensors["input.ema.images"]))
    return F.mse_loss(F.softmax(s.logits, 1), F.softmax(average, 1))


@case("ema/kl", "teacherless", "distill.ema.weight=1", "distill.ema.loss=kl", "distill.ema.view=same")
def ema_kl(s):
    return kl(s.logits, mean_teacher(s, s.x), 1)


@case("cs_kd", "teacherless", "distill.cs_kd.temperature=3")
def cs_kd(s):
    assert not torch.equal(s.tensors["input.cs_kd.others"], s.tensors["x"])
    seen, other = s.labels >= 0, s.student(s.image(s.tensors["input.cs_kd.others"])).detach()
    return kl(s.logits[seen], other[seen], 3)


@case("byot", "teacherless", "distill.byot.temperature=2", "distill.byot.alpha=0.3", "distill.byot.beta=0.2")
def byot(s):
    loss, seen, feature = 0, s.labels >= 0, s.taps["feature"].detach()
    for i, layers in enumerate((2, 1)):
        x = s.taps["stages"][i]
        for k in range(layers):
            x = F.conv2d(x, s.module(f"byot.exit{i}.conv{k}.weight"), stride=2, padding=1)
            weight, bias = s.module(f"byot.exit{i}.bn{k}.weight"), s.module(f"byot.exit{i}.bn{k}.bias")
            x = F.relu(F.batch_norm(x, None, None, weight, bias, training=True))
        own = x.mean((2, 3))
        z = F.linear(own, s.module(f"byot.exit{i}.classifier.weight"), s.module(f"byot.exit{i}.classifier.bias"))
        loss = loss + 0.7 * F.cross_entropy(z[seen], s.labels[seen]) + 0.3 * kl(z, s.logits.detach(), 2)
        loss = loss + 0.2 * (own - feature).pow(2).sum(1).mean()
    return loss


def input_gradient(s, loss):
    return torch.autograd.grad(loss, s.x, create_graph=True)[0]


@case("gradient_penalty", "teacherless", weight=0.3)
def gradient_penalty(s):
    seen = s.labels >= 0
    gradient = input_gradient(s, F.cross_entropy(s.logits[seen], s.labels[seen], reduction="sum"))
    return gradient.pow(2).sum() / seen.sum()


@case("sobolev", weight=0.3)
def sobolev(s):
    v = F.normalize(s.tensors["input.sobolev.v"])
    a, b = (input_gradient(s, (v * F.log_softmax(z, 1)).sum()) for z in (s.logits, s.teacher_copy(s.x)))
    return (a - b.detach()).pow(2).sum((1, 2, 3)).mean()


@case("sobolev/hard", "distill.sobolev.of=hard", weight=0.3)
def sobolev_hard(s):
    seen = s.labels >= 0
    a, b = (
        input_gradient(s, F.cross_entropy(z[seen], s.labels[seen], reduction="sum"))
        for z in (s.logits, s.teacher_copy(s.x))
    )
    return (a - b.detach()).pow(2).sum() / seen.sum()


def adversarial(s, steps, size, delta, attacked, target, temperature):
    """PGD on pixels in 0 to 1; `delta` to start with."""
    eps, mean, deviation = 0.05, s.tensors["input.adversarial.mean"], s.tensors["input.adversarial.deviation"]
    clean = (s.x * deviation.view(1, -1, 1, 1) + mean.view(1, -1, 1, 1)).detach()

    def moved(delta):
        return ((clean + delta - mean.view(1, -1, 1, 1)) / deviation.view(1, -1, 1, 1)).detach().requires_grad_()

    def project(delta):
        return (clean + delta.clamp(-eps, eps)).clamp(0, 1) - clean

    delta = project(delta)
    for _ in range(steps):
        x = moved(delta)
        s.student.eval()
        delta = project(delta + size * torch.autograd.grad(attacked(x), x)[0].sign())
        s.student.train()
    return kl(s.student(moved(delta)), target(moved(delta)).detach(), temperature)


@case("adversarial", "distill.adversarial.eps=0.05", "distill.adversarial.steps=2", "distill.adversarial.step_size=0.02")
def rslad(s):
    start = 0.05 * s.image(s.tensors["input.adversarial.start"])
    return adversarial(
        s, 2, 0.02, start, lambda x: kl(s.student(x), s.teacher_logits, 1), lambda x: s.teacher_logits, 1
    )


@case(
    "adversarial/of_teacher",
    *(
        f"distill.adversarial.{x}"
        for x in ("eps=0.05", "of=teacher", "against=labels", "target=adversarial", "random_start=no", "temperature=3")
    ),
)
def adversarial_of_teacher(s):
    seen = s.labels >= 0
    return adversarial(
        s, 1, 0.0392, torch.zeros_like(s.x),
        lambda x: F.cross_entropy(s.teacher_copy(x)[seen], s.labels[seen]), s.teacher_copy, 3,
    )  # fmt: skip


@case("discriminator", "distill.discriminator.width=5", "distill.discriminator.reversal=0.4")
def discriminator(s):
    """The student's gradient is -0.4 times that of the loss: r(f_s) where it stands plus -0.4 times what is new."""
    weight, bias = (s.module(f"discriminator.regressor0.fc.{x}") for x in ("weight", "bias"))
    student = F.linear(s.taps["feature"], weight, bias)
    x = torch.cat([s.teacher(0), 1.4 * student.detach() - 0.4 * student])
    for i in range(4):
        path = f"discriminator.judge0.fc{i}"
        x = F.linear(F.relu(x) if i else x, s.module(f"{path}.weight"), s.module(f"{path}.bias"))
    half = x.shape[0] // 2
    return -(F.logsigmoid(x[:half]).mean() + F.logsigmoid(-x[half:]).mean()) / 2


def generated(s, method, eps=1e-5):
    """The generator up to its last convolution: 2x2 blocks of four channels, twice enlarged."""

    def layer(i, x):
        return F.conv2d(x, s.module(f"{path}.conv{i}.weight"), s.module(f"{path}.conv{i}.bias"), padding=1)

    def norm(i, x, eps=eps):
        return F.batch_norm(x, None, None, s.module(f"{path}.bn{i}.weight"), s.module(f"{path}.bn{i}.bias"), True, eps=eps)

    path = f"{method}.generator"
    x = F.linear(s.tensors[f"input.{method}.z"], s.module(f"{path}.fc.weight"), s.module(f"{path}.fc.bias"))
    x = norm(0, s.image(x.reshape(-1, 2, 2, 4)), 1e-5)
    for i in 1, 2:
        x = F.leaky_relu(norm(i, layer(i, F.interpolate(x, scale_factor=2))), 0.2)
    return layer(3, x)


@case("data_free", "distill.data_free.noise=5", "distill.data_free.width=4", "distill.data_free.reversal=0.4")
def data_free(s):
    weight, bias = s.module("data_free.generator.bn3.weight"), s.module("data_free.generator.bn3.bias")
    x = F.batch_norm(generated(s, "data_free"), None, None, weight, bias, True)
    x = 1.4 * x.detach() - 0.4 * x
    return kl(s.student(x), s.teacher_copy(x), 1)


@case("dafl", "distill.dafl.noise=5", "distill.dafl.width=4", "distill.dafl.one_hot=0.7", "distill.dafl.activation=0.3")
def dafl(s):
    x = F.batch_norm(torch.tanh(generated(s, "dafl", 0.8)), None, None, None, None, True)
    logits = s.teacher_copy(x)
    p = F.softmax(logits, 1).mean(0)
    s.own = 0.7 * F.cross_entropy(logits, logits.argmax(1)) + 5 * (p * p.log10()).sum() - 0.3 * s.copy_feature.abs().mean()
    return kl(s.student(x.detach()), logits.detach(), 1)


# ---- The comparison ----


def relative(got, want):
    return ((got - want).norm() / want.norm().clamp_min(1e-12)).item()


def run_tool(tool, name, methods, sets, weight, hard, folder):
    path = os.path.join(folder, "step.safetensors")
    arguments = [f"distill.methods={methods}", f"distill.hard_weight={hard}"]
    arguments += [f"distill.{m}.weight={weight}" for m in methods.split(",")]
    result = subprocess.run([tool, path, *arguments, *sets], capture_output=True, text=True)
    if result.returncode:
        print(f"{name}: tool_method failed: {result.stderr.strip()}")
        return None
    return Step(safetensors_file.read(path))


def gradients(step):
    for name, parameter in step.student.named_parameters():
        if f"student.{name}" in step.tensors:
            yield name, parameter.grad
    for name, value in step.modules.items():
        for full in (name, f"distill.{name}"):
            if f"gradient.{full}" in step.tensors:
                yield full, value.grad


def check(tool, name, methods, sets, weight, hard, function, folder):
    step = run_tool(tool, name, methods, sets, weight, hard, folder)
    if step is None:
        return False
    loss = function(step)
    total = weight * loss + hard * step.hard() + step.own
    total.backward()
    report = sum(step.tensors[f"report.{m}"] for m in methods.split(","))
    good = True
    for what, got, want in (("loss", report, loss.detach()), ("total", step.tensors["total"], total.detach())):
        if abs(got.item() - want.item()) > LOSS_BOUND * max(1.0, abs(want.item())):
            print(f"{name}: {what} is {got.item():.9g}, PyTorch says {want.item():.9g}")
            good = False
    scale = torch.sqrt(sum(step.tensors[f"gradient.{n}"].pow(2).sum() for n, _ in gradients(step)))
    for parameter, want in gradients(step):
        got = step.tensors[f"gradient.{parameter}"]
        want = torch.zeros_like(got) if want is None else want
        error = ((got - want).norm() / max(want.norm(), 1e-3 * scale)).item()
        if not error <= GRADIENT_BOUND:
            print(f"{name}: gradient of {parameter} is off by {error:.3g} of its norm")
            good = False
    return good


def main():
    wanted = sys.argv[2:]
    with tempfile.TemporaryDirectory() as folder:
        results = {
            entry[0]: check(sys.argv[1], *entry, folder)
            for entry in CASES
            if not wanted or entry[0].split("/")[0] in wanted or entry[0] in wanted
        }
    print(f"{sum(results.values())} of {len(results)} cases agree with PyTorch")
    sys.exit(0 if results and all(results.values()) else 1)


if __name__ == "__main__":
    main()
