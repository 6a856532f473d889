#!/usr/bin/env python3
"""Runs every shipped network, in evaluation and in training, here on a device and in PyTorch, from the same weights on the same
input, and compares the outputs, in training also a loss, the gradients of all parameters and the running statistics.

  check_zoo.py TOOL_MODEL [--classes cpu,gpu,generic] [--only NAME...]
  check_zoo.py --pick NAME [TRIES]   for some seeds, how far single precision strays from double in PyTorch itself
  check_zoo.py --counts              parameters and FLOPs, for test_counts.c
Exit status 0: agrees, 1: differs, or a shipped network is not in zoo/cases.py, 77: skipped.

PyTorch computes in double precision. A ReLU has no derivative at 0: where one of its inputs lies within rounding of 0, two
correct programs may take different sides (tests/parity/kd_parity.py has the figures). So gradients are compared on networks
whose batch norms keep away from such kinks."""

import argparse
import contextlib
import copy
import os
import pathlib
import resource
import shutil
import subprocess
import sys
import tempfile
import time

SKIP = 77
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
try:
    import torch
    import torch.nn.functional as F
except ImportError as error:
    print(f"skipped: {error} (Debian, Ubuntu: apt-get install python3-torch)")
    sys.exit(SKIP)

FOLDER = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [FOLDER, os.path.join(os.path.dirname(FOLDER), "parity")]
import safetensors_file  # noqa: E402
from zoo.cases import CASES  # noqa: E402

BatchNorm = torch.nn.modules.batchnorm._BatchNorm  # of one dimension or two

# What must agree, and how well by the norm of each tensor.
LIMITS = {"outputs": 1e-4, "loss": 1e-4, "gradients": 1e-3, "statistics": 1e-4}

# Functions of torch.nn.functional: where they have kinks, and a number c so that c and -c are far from all of them.
KINKS = {"relu": (0,), "relu6": (0, 6), "hardtanh": (0, 6), "hardswish": (-3, 3), "hardsigmoid": (-3, 3)}
CENTRES = {"relu": 2, "relu6": 2, "hardtanh": 2, "hardswish": 1}


def randomise(network):
    """Scales and shifts that are not 1 and 0."""
    for module in network.modules():
        if isinstance(module, (BatchNorm, torch.nn.LayerNorm)):
            torch.nn.init.uniform_(module.weight, 0.7, 1.0)
            torch.nn.init.normal_(module.bias, 0, 0.2)


def settle(case, network, inputs):
    """Keeps what goes into activations away from their kinks: a batch norm right before one gives numbers around c or, for a
    quarter of the channels, well below -c; one before an addition positive numbers."""
    centres, outputs = {}, []  # outputs are kept, so that no id is used again
    norms = [module for module in network.modules() if isinstance(module, BatchNorm)]
    hooks = [norm.register_forward_hook(lambda norm, _, y: outputs.append((id(y), norm, y))) for norm in norms]

    def watch(name, plain):
        def watched(x, *args, **kwargs):
            centres.update({norm: CENTRES[name] for key, norm, _ in outputs if key == id(x)})
            return plain(x, *args, **kwargs)
        return watched

    with patched({name: watch(name, getattr(F, name)) for name in CENTRES}), torch.no_grad():
        case.run(network.train(), inputs)
    for norm, hook in zip(norms, hooks):
        hook.remove()
        torch.nn.init.uniform_(norm.weight, 0.9 * case.spread, 1.1 * case.spread)
        torch.nn.init.uniform_(norm.bias, 0.9, 1.1)
        if norm in centres:
            norm.bias.data *= centres[norm] * torch.where(torch.rand_like(norm.bias) < 0.25, -2.0, 1.0)


@contextlib.contextmanager
def patched(functions):
    """torch.nn.functional with other functions for a while."""
    plain = {name: getattr(F, name) for name in functions}
    try:
        for name, function in functions.items():
            setattr(F, name, function)
        yield
    finally:
        for name, function in plain.items():
            setattr(F, name, function)


class Setting:
    """A case made: the network with running statistics that fit the input, the input, and what the outputs are multiplied by."""

    def __init__(self, case, seed):
        torch.manual_seed(seed)
        self.case, self.network, self.inputs = case, case.make(case.test_side), case.inputs()
        randomise(self.network)
        self.measure()

    def calm(self):
        """Away from all kinks."""
        settle(self.case, self.network, self.inputs)
        self.measure()

    def measure(self):
        norms = [m for m in self.network.modules() if isinstance(m, BatchNorm)]
        momenta = [norm.momentum for norm in norms]
        for norm in norms:
            norm.momentum = 1.0
        with torch.no_grad():
            outputs = self.case.run(self.network.train(), self.inputs)
        for norm, momentum in zip(norms, momenta):
            norm.momentum = momentum
        # A little of the outputs' signs, so that the loss is no small difference of large numbers.
        self.cotangents = {name: torch.randn(y.shape) + 0.5 * y.sign() for name, y in outputs.items()}

    def run(self, mode, dtype=torch.float64):
        """What PyTorch makes of it, in groups as their limits are."""
        network = copy.deepcopy(self.network).to(dtype).train(mode == "train")
        inputs = {name: x.to(dtype) if x.is_floating_point() else x for name, x in self.inputs.items()}
        with torch.set_grad_enabled(mode == "train"):
            outputs = self.case.run(network, inputs)
        found = {"outputs": {name: channels_last(y.detach()) for name, y in outputs.items()}}
        if mode == "train":
            loss = sum((y * self.cotangents[name].to(dtype)).mean() for name, y in outputs.items())
            loss.backward()
            found["loss"] = {"loss": loss.detach().reshape(1)}
            found["gradients"] = {name: p.grad for name, p in network.named_parameters()}
            found["statistics"] = {name: x for name, x in network.state_dict().items() if ".running_" in name}
        return found

    def write(self, work):
        state = {name: tensor.numpy() for name, tensor in self.network.state_dict().items()}
        tensors = {name: channels_last(x) if x.is_floating_point() else x.int() for name, x in self.inputs.items()}
        tensors.update({"cotangent." + name: channels_last(y) for name, y in self.cotangents.items()})
        safetensors_file.write(os.path.join(work, "weights.safetensors"), state)
        safetensors_file.write(os.path.join(work, "inputs.safetensors"), {name: x.numpy() for name, x in tensors.items()})


def channels_last(x):
    """[N,C,H,W] -> [N,H,W,C], as tensors lie on the device."""
    return x.permute(0, 2, 3, 1).contiguous() if x.dim() == 4 else x


class Tool:
    """Our side: a process for each class of kernels, which runs one job after the other."""

    def __init__(self, program, device_class):
        self.process = subprocess.Popen([program, device_class], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def start(self, case, mode, work):
        print(case.model, mode, case.classes, case.parameters, work, sep="\t", file=self.process.stdin, flush=True)

    def finish(self, mode, work):
        """What it has made of the job, as Setting.run() gives it."""
        if self.process.stdout.readline() != "done\n":
            raise SystemExit(f"tool_model failed with exit status {self.process.wait()}")
        read = lambda name: safetensors_file.read(os.path.join(work, name + ".safetensors"))  # noqa: E731
        found = {"outputs": read("outputs")}
        if mode == "train":
            found["loss"], found["gradients"] = {"loss": found["outputs"].pop("loss")}, read("gradients")
            after = read("after") if os.path.exists(os.path.join(work, "after.safetensors")) else {}
            found["statistics"] = {name: x for name, x in after.items() if ".running_" in name}
        return found

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def usual_size(tensors):
    """The root mean square of all numbers together."""
    return sum(x.double().norm() ** 2 for x in tensors.values()) ** 0.5 / sum(x.numel() for x in tensors.values()) ** 0.5


def difference(ours, theirs, scale):
    """By the norm of `theirs`. What is zero but for rounding in double precision, as the gradient of a shift that a batch norm
    behind it takes away, is compared with numbers of the usual size."""
    if ours.shape != theirs.shape:
        return float("nan")
    usual, norm = scale * theirs.numel() ** 0.5, theirs.norm()
    return float((ours.double() - theirs).norm() / (norm if norm > 1e-9 * usual else usual))


def compare(ours, theirs, limit):
    """(whether all tensors agree, the worst in words)"""
    if set(ours) != set(theirs):
        return False, f"names differ: {sorted(set(ours) ^ set(theirs))[:6]} FAILED"
    if not theirs:
        return True, "none"
    scale = usual_size(theirs)
    errors = {name: difference(torch.from_numpy(ours[name]), theirs[name], scale) for name in theirs}
    worst = max(errors, key=lambda name: errors[name] if errors[name] == errors[name] else float("inf"))
    good = errors[worst] <= limit
    return good, f"{errors[worst]:.1e}" + ("" if good else f" ({worst}, limit {limit:.0e}) FAILED")


def check(case, tools, work):
    """Prints a line for each mode and class of kernels; gives how many of them differ."""
    setting, failures = Setting(case, case.seed), 0
    for mode in ("eval", "train"):
        if mode == "train":
            setting.calm()
        setting.write(work)
        theirs = None
        for device_class in (name for name in case.device_classes if name in tools):
            tools[device_class].start(case, mode, work)
            theirs = theirs or setting.run(mode)  # meanwhile
            ours = tools[device_class].finish(mode, work)
            results = {what: compare(ours[what], theirs[what], LIMITS[what]) for what in theirs}
            failures += not all(good for good, _ in results.values())
            print(f"{case.model:23} {device_class:8}", mode, *(f" {what} {text}" for what, (_, text) in results.items()), flush=True)
    return failures


def kink_margin(setting):
    """How near any input of an activation comes to a kink, by the deviation of that tensor; windows of a maximum: the gap to
    the second."""
    nearest = [float("inf")]

    def watch(kinks, plain):
        def watched(x, *args, **kwargs):
            for kink in kinks:
                distance = (x - kink).abs()
                distance = distance[distance > 0]  # what lies on the kink does so everywhere: zeros of the ReLU before
                nearest.append((distance.min() / x.std()).item())
            return plain(x, *args, **kwargs)
        return watched

    def watch_pool(plain):
        def watched(x, kernel_size, stride=None, padding=0, *args, **kwargs):
            columns = F.unfold(F.pad(x, (padding,) * 4, value=float("-inf")), kernel_size, stride=stride or kernel_size)
            top = columns.reshape(x.shape[0], x.shape[1], -1, columns.shape[-1]).topk(2, dim=2).values
            gaps = (top[:, :, 0] - top[:, :, 1])[top[:, :, 0] > 0]  # zeros are a ReLU's: no gradient passes there anyway
            nearest.append((gaps.min() / x.std()).item())
            return plain(x, kernel_size, stride, padding, *args, **kwargs)
        return watched

    watched = {name: watch(places, getattr(F, name)) for name, places in KINKS.items()}
    with patched({**watched, "max_pool2d": watch_pool(F.max_pool2d)}):
        setting.run("train")
    return min(nearest)


def pick(name, tries):
    """Prints the seeds whose gradients suffer least from single precision."""
    case, found = next(case for case in CASES if case.model == name), []
    for seed in range(tries):
        setting = Setting(case, seed)
        setting.calm()
        exact, single = (setting.run("train", dtype)["gradients"] for dtype in (torch.float64, torch.float32))
        scale = usual_size(exact)
        worst = max(difference(single[name], exact[name], scale) for name in exact)
        found.append((worst, kink_margin(setting), seed))
    for worst, margin, seed in sorted(found)[:4]:
        print(f"{name}: seed {seed}: gradients in single precision off by {worst:.1e}, {margin:.1e} from the nearest kink")


def count(case):
    """Parameters; 2 x multiply-adds of convolutions, dense and recurrent layers for one sample of the published size."""
    network, flops = case.make(case.side), []

    def hook(module, inputs, output):
        weights = module.weight.numel() // module.weight.shape[0]
        flops.append(2 * weights * output.numel())

    def attention_hook(module, inputs, output):  # its four products do not go through modules
        flops.append(2 * 4 * module.embed_dim * output[0].numel())

    def recurrent_hook(module, inputs, output):
        x = inputs[0].data  # of a packed sequence all steps that are there
        steps = x.numel() // x.shape[-1]
        flops.extend(2 * steps * p.numel() for name, p in module.named_parameters(recurse=False) if name.startswith("weight_"))

    for module in network.modules():
        if isinstance(module, (torch.nn.Conv1d, torch.nn.Conv2d, torch.nn.Linear)):
            module.register_forward_hook(hook)
        if isinstance(module, torch.nn.MultiheadAttention):
            module.register_forward_hook(attention_hook)
        if hasattr(module, "weight_hh") or isinstance(module, torch.nn.RNNBase):
            module.register_forward_hook(recurrent_hook)
    with torch.no_grad():
        case.run(network.eval(), case.sample())
    print(f'    {{"{case.model}", {{{", ".join(map(str, case.image))}}}, {case.classes}, '
          f"{sum(p.numel() for p in network.parameters())}, {sum(flops)}}},")


def missing_cases():
    """Shipped models that no case is for."""
    shipped = {path.stem for path in pathlib.Path(FOLDER).parents[1].joinpath("models").rglob("*.ini")}
    return sorted(shipped - {case.model for case in CASES})


def check_all(program, classes, only):
    """How many comparisons failed."""
    failures, skipped, begin = 0, [], time.monotonic()
    tools = {name: Tool(program, name) for name in classes}
    for case in CASES:
        if case.needs:
            skipped.append(case)
        elif case.model in (only or [case.model]):
            with tempfile.TemporaryDirectory(dir=fast_folder()) as work:
                failures += check(case, tools, work)
    for tool in tools.values():
        tool.close()
    for needs in sorted({case.needs for case in skipped}):
        print(f"skipped: no {needs}:", *(case.model for case in skipped if case.needs == needs))
    own, theirs = (sum(resource.getrusage(who)[:2]) for who in (resource.RUSAGE_CHILDREN, resource.RUSAGE_SELF))
    print(f"{time.monotonic() - begin:.0f} s; processor time: ours {own:.0f} s, PyTorch's {theirs:.0f} s")
    return failures


def fast_folder():
    """In memory, where there is room for the largest network's weights, gradients and more; None: where temporary files go."""
    return "/dev/shm" if os.path.isdir("/dev/shm") and shutil.disk_usage("/dev/shm").free > 2 << 30 else None


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("tool", nargs="?")
    parser.add_argument("--classes", default="cpu,gpu,generic")
    parser.add_argument("--only", nargs="+")
    parser.add_argument("--pick", nargs="+")
    parser.add_argument("--counts", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)  # beside it runs the tool
    if options.pick:
        return pick(options.pick[0], int((options.pick + [32])[1]))
    if options.counts:
        for case in CASES:
            count(case)
        return 0
    missing = missing_cases()
    if missing:
        print("FAILED: without a case in tests/model/zoo:", *missing)
    failures = check_all(options.tool, options.classes.split(","), options.only)
    print(f"FAILED: {failures} comparisons" if failures else "what was compared agrees with PyTorch")
    return 1 if failures or missing else 0


if __name__ == "__main__":
    sys.exit(main())
