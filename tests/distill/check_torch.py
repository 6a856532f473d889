#!/usr/bin/env python3
"""Distillation methods against PyTorch: check_torch.py TOOL_METHOD [CASE...].

tool_method runs one step of a small ResNet's objective in float64 and writes batch, weights, what the teacher sent, losses
and gradients. Here PyTorch's student with the same weights computes the loss as the method's paper states it, and its
gradients with respect to every weight, those of the method's own modules included. To add a method: a function with @case."""

import os
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "parity"))

try:
    import torch
    import torch.nn as nn
    import torch.nn.functional as F
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


class Step:
    """What tool_method wrote, as a method's formula wants it: images channels first."""

    def __init__(self, tensors):
        self.tensors = {name: torch.tensor(value).double() for name, value in tensors.items()}
        self.labels = self.tensors["labels"].long()
        self.x = self.image(self.tensors["x"])
        self.teacher_logits = self.tensors.get("teacher.0.0.logits")
        self.student = Student().double()
        own, self.modules = {}, {}
        for name, value in self.tensors.items():
            if name.startswith("student.distill."):
                self.modules[name[len("student.distill.") :]] = value.clone().requires_grad_()
            elif name.startswith("student."):
                own[name[len("student.") :]] = value
        missing, unexpected = self.student.load_state_dict(own, strict=False)
        assert not unexpected and all("num_batches" in name for name in missing), (missing, unexpected)
        self.logits = self.student(self.x)
        self.taps = self.student.taps

    @staticmethod
    def image(x):
        return x.permute(0, 3, 1, 2)

    def teacher(self, pair, method=0):
        """The teacher's side of a pair, channels first."""
        value = self.tensors[f"pair.{method}.{pair}.teacher"]
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
        seen = self.labels >= 0
        return F.cross_entropy(self.logits[seen], self.labels[seen])

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


@case("simkd", "distill.simkd.factor=3", "distill.simkd.classifier=0.4")
def simkd(s):
    x = F.relu(s.connector("simkd.projector.0", s.taps["layer3"]))
    x = F.relu(s.norm("simkd.projector.1", F.conv2d(x, s.module("simkd.projector.1.conv.weight"), padding=1)))
    x = F.relu(s.connector("simkd.projector.2", x))
    assert s.module("simkd.projector.1.conv.weight").shape[0] == x.shape[1] // 3
    reused = s.teacher_classifier(x.mean((2, 3))).detach()
    return F.mse_loss(x, s.teacher(0)) + 0.4 * F.mse_loss(s.logits, reused)


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
        yield name, parameter.grad
    for name, value in step.modules.items():
        if f"gradient.distill.{name}" in step.tensors:
            yield f"distill.{name}", value.grad


def check(tool, name, methods, sets, weight, hard, function, folder):
    step = run_tool(tool, name, methods, sets, weight, hard, folder)
    if step is None:
        return False
    loss = function(step)
    total = weight * loss + hard * step.hard()
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
