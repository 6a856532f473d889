#!/usr/bin/env python3
"""Runs every shipped network here, on a device, and in PyTorch from the same weights on the same input, and compares what comes
out, in training also the gradients of all parameters and the running statistics.

  check_zoo.py TOOL_MODEL [--classes cpu,gpu,generic] [--only NAME...]
  check_zoo.py --pick NAME [TRIES]   for some seeds, how far single precision strays from double in PyTorch itself
  check_zoo.py --counts              parameters and FLOPs, for test_counts.c
Exit status 0: agrees, 1: differs, 77: skipped.

PyTorch computes in double precision. A ReLU has no derivative at 0: where one of its inputs lies within rounding of 0, two
correct programs may take different sides (tests/parity/kd_parity.py has the figures). So gradients are compared on networks
whose batch norms keep away from such kinks."""

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time

SKIP = 77
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
try:
    import numpy as np
    import torch
    import torch.nn.functional as F
except ImportError as error:
    print(f"skipped: {error} (Debian, Ubuntu: apt-get install python3-torch)")
    sys.exit(SKIP)

FOLDER = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [FOLDER, os.path.join(os.path.dirname(FOLDER), "parity")]
import safetensors_file  # noqa: E402
from zoo.cases import CASES, transformers, vision  # noqa: E402

BatchNorm = torch.nn.modules.batchnorm._BatchNorm  # of one dimension or two

# What must agree, by the norm of each tensor.
OUTPUT, STATISTICS, GRADIENT = 1e-4, 1e-4, 1e-3

# Functions of torch.nn.functional: where they have kinks, and a number c so that c and -c are far from all of them.
KINKS = {"relu": (0,), "relu6": (0, 6), "hardtanh": (0, 6), "hardswish": (-3, 3), "hardsigmoid": (-3, 3)}
CENTRES = {"relu": 2, "relu6": 2, "hardtanh": 2, "hardswish": 1}


def float32(tensor):
    return tensor.detach().float().numpy()


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
    """A case made: the network with running statistics that fit the input, the input, and what the outputs are multiplied by.
    calm: away from all kinks."""

    def __init__(self, case, seed, calm):
        torch.manual_seed(seed)
        self.network = case.make(case.test_side)
        self.inputs = case.inputs()
        randomise(self.network)
        if calm:
            settle(case, self.network, self.inputs)
        self.norms = [m for m in self.network.modules() if isinstance(m, BatchNorm)]
        momenta = [norm.momentum for norm in self.norms]
        for norm in self.norms:
            norm.momentum = 1.0
        with torch.no_grad():
            outputs = case.run(self.network.train(), self.inputs)
        for norm, momentum in zip(self.norms, momenta):
            norm.momentum = momentum
        self.cotangents = {name: torch.randn(y.shape) for name, y in outputs.items()}
        self.state = {name: tensor.clone() for name, tensor in self.network.state_dict().items()}

    def evaluate(self, case, dtype):
        network = self.restored(dtype).eval()
        with torch.no_grad():
            return case.run(network, self.inputs_as(dtype))

    def train(self, case, dtype):
        """(outputs, gradients, state after the step)"""
        network = self.restored(dtype).train()
        network.zero_grad()
        outputs = case.run(network, self.inputs_as(dtype))
        sum((y * self.cotangents[name].to(dtype)).mean() for name, y in outputs.items()).backward()
        return outputs, {name: p.grad.clone() for name, p in network.named_parameters()}, network.state_dict()

    def restored(self, dtype):
        self.network.float().load_state_dict(self.state)
        return self.network.to(dtype)

    def inputs_as(self, dtype):
        return {name: x.to(dtype) if x.is_floating_point() else x for name, x in self.inputs.items()}


def channels_last(x):
    """[N,C,H,W] -> [N,H,W,C], as tensors lie on the device."""
    return x.permute(0, 2, 3, 1).contiguous() if x.dim() == 4 else x


class Report:
    def __init__(self):
        self.failures = 0

    def compare(self, ours, theirs, limit):
        """The worst of the tensors. Names must be the same."""
        if set(ours) != set(theirs):
            self.failures += 1
            return f"names differ: {sorted(set(ours) ^ set(theirs))[:6]} FAILED"
        scale = usual_size(theirs)
        errors = {name: difference(ours[name], theirs[name], scale) for name in theirs}
        worst = max(errors, key=lambda name: errors[name] if errors[name] == errors[name] else float("inf"))
        good = errors[worst] <= limit
        self.failures += not good
        return f"{errors[worst]:.1e}" + ("" if good else f" ({worst}, limit {limit:.0e}) FAILED")


def usual_size(tensors):
    """The root mean square of all numbers together."""
    return (sum((x.double() ** 2).sum().item() for x in tensors.values()) / sum(x.numel() for x in tensors.values())) ** 0.5


def difference(ours, theirs, scale):
    """By the norm of `theirs`. What is zero but for rounding in double precision, as the gradient of a shift that a batch norm
    behind it takes away, is compared with numbers of the usual size."""
    ours, theirs = np.asarray(ours, np.float64), np.asarray(theirs.detach().numpy(), np.float64)
    if ours.shape != theirs.shape:
        return float("nan")
    usual, norm = scale * theirs.size**0.5, np.linalg.norm(theirs)
    return float(np.linalg.norm(ours - theirs) / (norm if norm > 1e-9 * usual else usual))


def run_tool(tool, case, mode, device_class, work):
    command = [tool, case.model, mode, str(case.classes), case.parameters, os.path.join(work, "weights.safetensors"),
               os.path.join(work, "inputs.safetensors"), work]
    done = subprocess.run(command, env=dict(os.environ, LIMBECK_CLASS=device_class), stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}: exit status {done.returncode}: {done.stdout}")
    names = ["outputs"] + (["gradients", "weights"] if mode == "train" else [])
    return [safetensors_file.read(os.path.join(work, name + ".safetensors")) for name in names]


def write_files(setting, work):
    safetensors_file.write(os.path.join(work, "weights.safetensors"),
                           {name: tensor.numpy() if tensor.dtype == torch.int64 else float32(tensor) for name, tensor in setting.state.items()})
    tensors = {name: float32(channels_last(x)) if x.is_floating_point() else x.int().numpy() for name, x in setting.inputs.items()}
    tensors.update({"cotangent." + name: float32(channels_last(y)) for name, y in setting.cotangents.items()})
    safetensors_file.write(os.path.join(work, "inputs.safetensors"), tensors)


def check(report, tool, case, device_class, work):
    line = f"{case.model:23} {device_class:8}"
    if "eval" in case.modes:
        setting = Setting(case, case.seed, calm=False)
        write_files(setting, work)
        theirs = {name: channels_last(y) for name, y in setting.evaluate(case, torch.float64).items()}
        line += " eval " + report.compare(run_tool(tool, case, "eval", device_class, work)[0], theirs, OUTPUT)
    if "train" in case.modes:
        setting = Setting(case, case.seed, calm=True)
        write_files(setting, work)
        outputs, gradients, state = run_tool(tool, case, "train", device_class, work)
        theirs, their_gradients, their_state = setting.train(case, torch.float64)
        line += "  train " + report.compare(outputs, {name: channels_last(y) for name, y in theirs.items()}, OUTPUT)
        line += "  gradients " + report.compare(gradients, their_gradients, GRADIENT)
        running = {name: tensor for name, tensor in their_state.items() if ".running_" in name}
        if running:
            line += "  statistics " + report.compare({name: state[name] for name in running if name in state}, running, STATISTICS)
    return line


def kink_margin(setting, case):
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
        setting.train(case, torch.float64)
    return min(nearest)


def pick(name, tries):
    """Prints the seeds whose gradients suffer least from single precision."""
    case, found = next(case for case in CASES if case.model == name), []
    for seed in range(tries):
        setting = Setting(case, seed, calm=True)
        exact, single = (setting.train(case, dtype)[1] for dtype in (torch.float64, torch.float32))
        scale = usual_size(exact)
        worst = max(difference(single[name].numpy(), exact[name], scale) for name in exact)
        found.append((worst, kink_margin(setting, case), seed))
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


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("tool", nargs="?")
    parser.add_argument("--classes", default="cpu,gpu,generic")
    parser.add_argument("--only", nargs="+")
    parser.add_argument("--pick", nargs="+")
    parser.add_argument("--counts", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(os.cpu_count() or 1)
    if options.pick:
        return pick(options.pick[0], int((options.pick + [32])[1]))
    if options.counts:
        for case in CASES:
            count(case)
        return 0
    if vision is None:
        print("without torchvision's networks (Debian, Ubuntu: apt-get install python3-torchvision)")
    if transformers is None:
        print("skipped: BERT and DistilBERT: no module transformers (scripts/setup.sh --ci)")
    report, begin = Report(), time.monotonic()
    for case in CASES:
        for device_class in case.device_classes:
            if device_class in options.classes.split(",") and case.model in (options.only or [case.model]):
                start = time.monotonic()
                with tempfile.TemporaryDirectory() as work:
                    line = check(report, options.tool, case, device_class, work)
                print(f"{line}  ({time.monotonic() - start:.1f} s)", flush=True)
    print(f"{report.failures} differences beyond their limits" if report.failures else
          f"the networks agree with PyTorch's ({time.monotonic() - begin:.0f} s)")
    return 1 if report.failures else 0


if __name__ == "__main__":
    sys.exit(main())
