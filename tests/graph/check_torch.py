#!/usr/bin/env python3
"""Compares the float64 references of ops, and of their derivatives, with PyTorch.

usage: check_torch.py PATH/TO/tool_op

The kernels are compared with the references by tests/ops/test_ops.c. Exit status 77 (skipped) without PyTorch.
"""
import math
import subprocess
import sys

try:
    import torch
    from torch.nn import functional
except ImportError:
    print("skipped: no PyTorch")
    sys.exit(77)


def index(shape):
    return torch.arange(math.prod(shape), dtype=torch.float64).reshape(shape)


def integers(shape, below):
    numbers = 5 * index(shape).long() + 3
    return numbers % below if below else numbers % 7 >= 2


def check(op, params, shapes, theirs, integer=None, below=0, bound=1e-13, given={}, gradients=True, between=(-1, 1)):
    """theirs(inputs) -> outputs, None for one that is not compared. `integer`: which input is one, a mask or numbers `below`
    this; `between`: range of the others; `given`: other values of inputs, None for one that is absent, one number for a run-time scalar. `gradients`: the
    op has all derivatives."""
    low, high = between
    inputs = [given[i] if i in given else integers(s, below) if i == integer
              else low + (high - low) / 2 * (1 + torch.sin(0.37 * index(s) + 1.3 * i)) for i, s in enumerate(shapes)]
    scalars = [i for i in given if given[i] is not None and given[i].numel() == 1]
    floats = [x.requires_grad_() for i, x in enumerate(inputs)
              if x is not None and x.is_floating_point() and i not in scalars]
    expected = list(theirs(*inputs))
    if expected[0].requires_grad:
        (torch.cos(0.11 * index(expected[0].shape)) * expected[0]).sum().backward()
    command = [sys.argv[1], op, params] + ["-" if x is None else "x".join(map(str, x.shape)) for x in inputs]
    numbers = " ".join(str(v) for x in inputs if x is not None for v in x.double().flatten().tolist())
    out = subprocess.run(command, check=True, capture_output=True, text=True, input=numbers).stdout
    lines = [torch.tensor([float(word) for word in line.split()], dtype=torch.float64) for line in out.splitlines()]
    expected += [x.grad for x in floats] if gradients else []
    if len(lines) != len(expected) or any(len(a) != b.numel() for a, b in zip(lines, expected) if b is not None):
        sys.exit(f"FAILED: {op} {params}: sizes {[len(line) for line in lines]}")
    errors = [((a - b.flatten()).abs().max() / b.abs().max().clamp(min=1)).item() for a, b in zip(lines, expected)
              if b is not None]
    print(f"{op} {params}: {len(errors)} tensors differ by at most {max(errors):.1e}")
    if not max(errors) <= bound:
        sys.exit(f"FAILED: {op} {params}")


def matmul(a=None, b=None, factor=1, total=False):
    """`a`, `b`: how each is turned."""
    def theirs(x, y):
        c = factor * torch.matmul(x.transpose(-1, -2) if a else x, y.transpose(-1, -2) if b else y)
        return [c.sum(0) if total else c]
    return theirs


def attention(heads, causal=False):
    """PyTorch's own multi-head attention with projections that change nothing; the sums from the definition."""
    def theirs(q, k, v, mask=None):
        size, hidden = q.shape[2], None if mask is None else ~mask
        future = torch.ones(q.shape[1], k.shape[1]).triu(1).bool() if causal else None
        eye = torch.eye(size, dtype=torch.float64)
        y, _ = functional.multi_head_attention_forward(
            *(x.transpose(0, 1) for x in (q, k, v)), size, heads, eye.repeat(3, 1), None, None, None, False, 0.0, eye,
            None, key_padding_mask=hidden, attn_mask=future)
        split = [x.reshape(*x.shape[:2], heads, size // heads).transpose(1, 2) for x in (q, k)]
        s = split[0] @ split[1].transpose(2, 3) / math.sqrt(size // heads)
        s = s if hidden is None else s.masked_fill(hidden[:, None, None], -math.inf)
        s = s if future is None else s.masked_fill(future, -math.inf)
        return [y.transpose(0, 1), s.logsumexp(3)]
    return theirs


def packed(heads, causal=False):
    return lambda qkv, mask=None: attention(heads, causal)(*qkv.chunk(3, 2), mask)


def filters(bins, rate, mels, low, high, slaney, area):
    """torchaudio.functional.melscale_fbanks; torchaudio itself is rarely installed."""
    def mel_of(hz):
        if not slaney:
            return 2595 * math.log10(1 + hz / 700)
        return 3 * hz / 200 if hz < 1000 else 15 + math.log(hz / 1000) / (math.log(6.4) / 27)
    mel = torch.linspace(mel_of(low), mel_of(high), mels + 2, dtype=torch.float64)
    hz = 700 * (10 ** (mel / 2595) - 1)
    if slaney:
        hz = torch.where(mel < 15, 200 * mel / 3, 1000 * torch.exp((mel - 15) * math.log(6.4) / 27))
    slopes = hz[None] - torch.linspace(0, rate / 2, bins, dtype=torch.float64)[:, None]
    weights = torch.minimum(-slopes[:, :-2] / (hz[1:-1] - hz[:-2]), slopes[:, 2:] / (hz[2:] - hz[1:-1])).clamp(min=0)
    return weights * (2 / (hz[2:] - hz[:-2])) if area else weights


def log_mel(size, window, hop, mels, rate=16000, low=0, high=8000, slaney=False, area=False, center=True):
    def theirs(x):
        hann = torch.hann_window(window, dtype=torch.float64)
        power = torch.stft(x, size, hop, window, hann, center=center, return_complex=True).abs() ** 2
        bank = filters(size // 2 + 1, rate, mels, low, high, slaney, area)
        return [torch.log((power.transpose(1, 2) @ bank).clamp(min=1e-10))]
    return theirs


def image(function, *args, **how):
    """A function of channels-first images, of channels-last ones."""
    return lambda x: [function(x.permute(0, 3, 1, 2), *args, **how).permute(0, 2, 3, 1)]


def moves():
    """Ops that change places and not numbers."""
    x = [(2, 7, 10, 6)]
    pad = functional.pad
    for kind, between in (torch.float16, (-6e4, 6e4)), (torch.float16, (-1e-4, 1e-4)), (torch.bfloat16, (-2, 2)):
        check("round", f"type={str(kind)[6:]}", x, lambda x: [x.float().to(kind).double()], bound=0, gradients=False,
              between=between)
    check("reshape", "shape=0,-1,4", x, lambda x: [x.reshape(2, -1, 4)])
    check("permute", "order=2,-1,0,1", x, lambda x: [x.permute(2, -1, 0, 1)])
    check("slice", "axis=1,-1 start=-5,1 step=2,1", x, lambda x: [x[:, -5::2, :, 1:]])
    check("slice", "axis=2 start=3 count=4", x, lambda x: [x.narrow(2, 3, 4)])
    check("split", "axis=2 sizes=3,7", x, lambda x: x.split([3, 7], 2))
    check("concat", "axis=1", [(2, 7, 3), (2, 4, 3), (2, 1, 3)], lambda *x: [torch.cat(x, 1)])
    check("concat", "", [(2, 7, 3), (2, 7, 5)], lambda *x: [torch.cat(x, -1)])
    # torchvision's; the derivative of torch.nn.ChannelShuffle is not in every version
    check("channel_shuffle", "groups=3", x, lambda x: [x.unflatten(3, (3, 2)).transpose(3, 4).flatten(3)])
    check("pad", "axis=1,2 before=1,0 after=2,3 value=0.5", x, lambda x: [pad(x, (0, 0, 0, 3, 1, 2), value=0.5)])
    check("pad2d", "rows=1,2 columns=3", x, image(pad, (3, 3, 1, 2), mode="reflect"))
    check("pad2d", "rows=1,9 columns=3,4 mode=replicate", x, image(pad, (3, 4, 1, 9), mode="replicate"))


def resamplings():
    x = [(2, 7, 10, 3)]
    resize, average, adaptive = functional.interpolate, functional.avg_pool2d, functional.adaptive_avg_pool2d
    check("resize2d", "scale=2,3", x, image(resize, scale_factor=(2, 3)))
    check("resize2d", "size=5,13", x, image(resize, size=(5, 13)))
    check("resize2d", "size=11,4", x, image(resize, size=(11, 4)))
    check("resize2d", "scale=2 mode=bilinear", x, image(resize, scale_factor=2, mode="bilinear"))
    check("resize2d", "size=5,13 mode=bilinear", x, image(resize, size=(5, 13), mode="bilinear"))
    for size in [(5, 13), (1, 20)]:
        check("resize2d", f"size={size[0]},{size[1]} mode=bilinear align_corners=yes", x,
              image(resize, size=size, mode="bilinear", align_corners=True))
    check("adaptive_avg_pool2d", "size=3,4", x, image(adaptive, (3, 4)))
    check("adaptive_avg_pool2d", "size=9,1", x, image(adaptive, (9, 1)))
    check("avg_pool2d", "kernel=3 stride=2 padding=1", x, image(average, 3, 2, 1))
    check("avg_pool2d", "kernel=3,2 stride=2,3 padding=1 ceil_mode=yes", x, image(average, (3, 2), (2, 3), 1, True))
    check("avg_pool2d", "kernel=3 stride=2 padding=1 ceil_mode=yes count_include_pad=no", x,
          image(average, 3, 2, 1, True, False))
    check("avg_pool2d", "kernel=2 stride=3 ceil_mode=yes", x, image(average, 2, 3, 0, True))


moves()
resamplings()
def first_last(x):
    """[N,...,C] as PyTorch's [N,C,...], and back."""
    return x.movedim(-1, 1)


def layer_norm(dims, eps):
    def theirs(x, weight=None, bias=None):
        axes = tuple(range(-dims, 0))
        rstd = (x.var(axes, unbiased=False) + eps).rsqrt()
        return [functional.layer_norm(x, x.shape[-dims:], weight, bias, eps), x.mean(axes), rstd]
    return theirs


def group_norm(groups, eps=1e-5):
    def theirs(x, weight=None, bias=None):
        y = functional.group_norm(first_last(x), groups, weight, bias, eps)
        rows = first_last(x).reshape(x.shape[0], groups, -1)
        return [y.movedim(1, -1), rows.mean(2), (rows.var(2, unbiased=False) + eps).rsqrt()]
    return theirs


def instance_norm(x, weight=None, bias=None):
    y = functional.instance_norm(first_last(x), weight=weight, bias=bias)
    return [y.movedim(1, -1)] + group_norm(x.shape[-1])(x)[1:]


def top_k(k):
    return lambda x: list(x.topk(k))


def embedding(padding=None):
    return lambda ids, weight: [functional.embedding(ids, weight, padding)]


def embedding_bag(mode, padding=None):
    def theirs(ids, weight, scale=None):
        return [functional.embedding_bag(ids, weight, mode=mode, per_sample_weights=scale, padding_idx=padding)]
    return theirs


check("sum", "", [(3, 4, 5)], lambda x: [x.sum().reshape(1)])
check("mean", "axes=1,2", [(3, 4, 5, 2)], lambda x: [x.mean((1, 2))])
check("sum", "axes=-1 keepdims=yes", [(3, 4, 5)], lambda x: [x.sum(-1, True)])
check("max", "axis=1", [(3, 4, 5)], lambda x: list(x.max(1)))
check("max", "keepdims=yes", [(3, 40)], lambda x: list(x.max(-1, True)))
check("top_k", "k=7", [(3, 4, 50)], top_k(7))
check("logsumexp", "", [(3, 4, 50)], lambda x: [x.logsumexp(-1)])
check("log_softmax", "", [(3, 4, 50)], lambda x: [x.log_softmax(-1)])
check("softmax", "", [(3, 4, 50)], lambda x: [x.softmax(-1)])
check("l2_normalize", "", [(3, 4, 50)], lambda x: [functional.normalize(x, dim=-1), x.norm(dim=-1)])
check("l2_normalize", "axis=1 eps=1.5", [(3, 4, 50)], lambda x: [functional.normalize(x, dim=1, eps=1.5), x.norm(dim=1)])
check("layer_norm", "", [(3, 4, 50), (50,), (50,)], layer_norm(1, 1e-5))
check("layer_norm", "dims=2 eps=0.01 affine=no", [(3, 4, 5)], layer_norm(2, 0.01))
check("layer_norm", "bias=no", [(3, 4, 5), (5,)], layer_norm(1, 1e-5))
check("group_norm", "groups=3", [(2, 5, 7, 12), (12,), (12,)], group_norm(3))
check("group_norm", "groups=1 affine=no eps=0.1", [(2, 5, 12)], group_norm(1, 0.1))
check("instance_norm", "affine=yes", [(2, 5, 7, 3), (3,), (3,)], instance_norm)
check("instance_norm", "", [(2, 5, 3)], instance_norm)
check("embedding", "vocabulary=9 out=4", [(3, 5), (9, 4)], embedding(), integer=0, below=7)
check("embedding", "vocabulary=9 out=4 padding_idx=3", [(13,), (9, 4)], embedding(3), integer=0, below=9)
check("embedding_bag", "vocabulary=9 out=4", [(3, 5), (9, 4)], embedding_bag("mean"), integer=0, below=7)
check("embedding_bag", "vocabulary=9 out=4 padding_idx=3", [(7, 4), (9, 4)], embedding_bag("mean", 3), integer=0, below=9)
check("embedding_bag", "vocabulary=9 out=4 mode=sum padding_idx=3", [(7, 4), (9, 4), (7, 4)], embedding_bag("sum", 3),
      integer=0, below=9)
def recurrent(function, hidden, reverse=False):
    """One direction of a bidirectional layer whose directions have the same weights; with lengths, of a packed one."""
    def theirs(x, lengths, weight_ih, weight_hh, *biases):
        count, steps, _ = x.shape
        state = torch.zeros(2, count, hidden, dtype=torch.float64)
        state = (state, state) if function is torch._VF.lstm else state
        weights = [weight_ih.t(), weight_hh.t(), *biases] * 2
        full = torch.full((count,), steps) if lengths is None else lengths
        packed = torch.nn.utils.rnn.pack_padded_sequence(x, full, batch_first=True, enforce_sorted=False)
        y = function(packed.data, packed.batch_sizes, state, weights, bool(biases), 1, 0.0, True, True)[0]
        y, _ = torch.nn.utils.rnn.pad_packed_sequence(packed._replace(data=y), batch_first=True, total_length=steps)
        y = y[:, :, hidden:] if reverse else y[:, :, :hidden]
        return [y, None, None] if function is torch._VF.lstm else [y, None]
    return theirs


def recurrent_layers():
    lengths = {1: torch.tensor([3, 7, 1, 5])}
    for op, function, gates in [("lstm", torch._VF.lstm, 4), ("gru", torch._VF.gru, 3)]:
        shapes = [(4, 7, 3), (4,), (3, gates * 5), (5, gates * 5), (gates * 5,), (gates * 5,)]
        for given in [lengths, {1: None}]:
            check(op, "hidden=5", shapes, recurrent(function, 5), given=given)
            check(op, "hidden=5 reverse=yes", shapes, recurrent(function, 5, True), given=given)
        check(op, "hidden=5 bias=no", shapes[:4], recurrent(function, 5), given={1: None})
    last = torch.tensor([2, 6, 0, 4])
    check("last_step", "", [(4, 7, 3), (4,)], lambda x, lengths: [x[torch.arange(4), last]], given=lengths)


def loss(function, operand=0):
    """The loss, and its derivative with respect to an input."""
    def theirs(*inputs):
        value = function(*inputs)
        return [value.reshape(1), torch.autograd.grad(value, inputs[operand], retain_graph=True)[0]]
    return theirs


def softened(reduction):
    def theirs(student, teacher, t):
        return t.detach() ** 2 * functional.kl_div(functional.log_softmax(student / t, -1),
                                                   functional.log_softmax(teacher / t, -1),
                                                   reduction=reduction, log_target=True)
    return theirs


def losses():
    pair, rows = [(3, 5), (3, 5)], [(4, 6), (4, 6)]
    for reduction in "mean", "sum":
        for name, function in [("mse_loss", functional.mse_loss), ("l1_loss", functional.l1_loss),
                               ("bce_with_logits", functional.binary_cross_entropy_with_logits)]:
            for operand, which in enumerate(("first", "second")):
                check(name, f"reduction={reduction} operand={which}", pair,
                      loss(lambda a, b: function(a, b, reduction=reduction), operand))
        for beta in 0, 0.4:
            check("smooth_l1_loss", f"reduction={reduction} beta={beta}", pair,
                  loss(lambda a, b: functional.smooth_l1_loss(a, b, reduction=reduction, beta=beta)))
        check("cosine_loss", f"reduction={reduction} operand=second", rows,
              loss(lambda a, b: functional.cosine_embedding_loss(a, b, torch.ones(4), reduction=reduction), 1))
    weight = torch.tensor([0.3, 1.7, 2.5, 0.9, 1.1, 0.6], dtype=torch.float64)
    check("bce_with_logits", "", rows + [(6,)], gradients=False, given={2: weight}, theirs=loss(
        lambda a, b, w: functional.binary_cross_entropy_with_logits(a, b, pos_weight=w.detach())))
    for reduction in "batchmean", "sum", "mean":
        check("kl_div", f"reduction={reduction} operand=second", rows + [(1,)], loss(softened(reduction), 1),
              given={2: torch.tensor([2.5], dtype=torch.float64)})
    labels = {1: torch.tensor([3, 5, 0, -100, 5, 2, 1])}
    for params in {}, {"label_smoothing": 0.2}, {"ignore_index": 5, "label_smoothing": 0.1}, {"reduction": "sum"}:
        text = " ".join(f"{key}={value}" for key, value in params.items())
        kept = {1: labels[1].clamp(min=0)} if "ignore_index" in params else labels  # PyTorch ignores one number only
        check("cross_entropy", text, [(7, 6), (7,)], given=kept,
              theirs=loss(lambda z, y: functional.cross_entropy(z, y, **params)))
        check("cross_entropy", text, [(7, 6), (7,), (6,)], given={**kept, 2: weight}, gradients=False,
              theirs=loss(lambda z, y, w: functional.cross_entropy(z, y, weight=w.detach(), **params)))


recurrent_layers()
losses()
check("matmul", "", [(3, 5), (5, 4)], matmul())
check("matmul", "alpha=0.5", [(2, 3, 7, 5), (2, 3, 5, 4)], matmul(factor=0.5))
check("matmul", "trans_a=yes trans_b=yes", [(4, 5, 3), (4, 6, 5)], matmul(True, True))
check("matmul", "", [(2, 3, 7, 5), (5, 4)], matmul())
check("matmul", "trans_b=yes", [(2, 7, 5), (4, 5)], matmul(b=True))
check("matmul", "trans_a=yes sum=yes", [(3, 5, 7), (3, 5, 4)], matmul(True, total=True))
check("attention", "heads=2", [(2, 5, 12), (2, 9, 12), (2, 9, 12)], attention(2))
check("attention", "heads=1 causal=yes", [(2, 9, 3), (2, 6, 3), (2, 6, 3)], attention(1, True))
check("attention", "heads=3 causal=yes", [(3, 8, 12), (3, 7, 12), (3, 7, 12), (3, 7)], attention(3, True), integer=3)
check("self_attention", "heads=4", [(2, 6, 24)], packed(4))
check("self_attention", "heads=2", [(2, 7, 24), (2, 7)], packed(2), integer=1)
# The logarithm magnifies the rounding of bands that hardly any of this tone is in.
check("log_mel", "n_fft=256 win_length=200 hop_length=80 mels=20", [(2, 700)], log_mel(256, 200, 80, 20), bound=1e-9,
      gradients=False)
check("log_mel", "sample_rate=8000 n_fft=64 mels=9 center=no f_min=60 f_max=3500", [(2, 333)],
      log_mel(64, 64, 32, 9, 8000, 60, 3500, center=False), bound=1e-9, gradients=False)
check("log_mel", "n_fft=256 mels=17 mel_scale=slaney norm=slaney", [(1, 700)],
      log_mel(256, 256, 128, 17, slaney=True, area=True), bound=1e-9,
      gradients=False)



def conv(function, relu=False, **how):
    """A convolution of channels-first tensors, of channels-last ones and weights whose order is that of devices."""
    def theirs(x, weight, bias=None):
        first = lambda a: a.movedim(-1, 1)
        y = function(first(x), weight.movedim((-1, -2), (0, 1)), bias, **how).movedim(1, -1)
        return [torch.relu(y) if relu else y]
    return theirs


def convolutions():
    one, two = functional.conv1d, functional.conv2d
    check("conv2d", "out=6 kernel=3,2 stride=2,1 padding=1,0 dilation=1,3", [(2, 7, 8, 4), (3, 2, 4, 6), (6,)],
          conv(two, stride=(2, 1), padding=(1, 0), dilation=(1, 3)))
    check("conv2d", "out=9 kernel=3 padding=1 groups=3 relu=yes", [(2, 5, 4, 6), (3, 3, 2, 9), (9,)],
          conv(two, relu=True, padding=1, groups=3))
    check("conv2d", "out=7 kernel=5 stride=2 padding=2 groups=7 bias=no", [(2, 9, 6, 7), (5, 5, 1, 7)],
          conv(two, stride=2, padding=2, groups=7))
    check("conv1d", "out=5", [(2, 11, 3), (1, 3, 5), (5,)], conv(one))
    check("conv1d", "out=8 kernel=5 stride=3 padding=4 dilation=2 groups=4", [(3, 20, 12), (5, 3, 8), (8,)],
          conv(one, stride=3, padding=4, dilation=2, groups=4))
    one, two = functional.conv_transpose1d, functional.conv_transpose2d
    check("conv_transpose2d", "out=5 kernel=2", [(2, 3, 4, 6), (2, 2, 5, 6), (5,)], conv(two))
    check("conv_transpose2d", "out=6 kernel=3,4 stride=3,2 padding=2,1 output_padding=1,0 dilation=2,1 groups=2",
          [(2, 4, 5, 4), (3, 4, 3, 4), (6,)],
          conv(two, stride=(3, 2), padding=(2, 1), output_padding=(1, 0), dilation=(2, 1), groups=2))
    check("conv_transpose2d", "out=7 kernel=3 stride=2 padding=1 output_padding=1 groups=7 bias=no relu=yes",
          [(2, 4, 3, 7), (3, 3, 1, 7)], conv(two, relu=True, stride=2, padding=1, output_padding=1, groups=7))
    check("conv_transpose1d", "out=4 kernel=5 stride=4 padding=3 output_padding=3 dilation=2 groups=2",
          [(2, 9, 6), (5, 2, 6), (4,)], conv(one, stride=4, padding=3, output_padding=3, dilation=2, groups=2))


convolutions()

UNARY = [  # op, parameters, the same in PyTorch, range of x
    ("relu", "", functional.relu, (-1, 1)),
    ("relu6", "", functional.relu6, (-9, 9)),
    ("leaky_relu", "", functional.leaky_relu, (-1, 1)),
    ("leaky_relu", "slope=0.3", lambda x: functional.leaky_relu(x, 0.3), (-1, 1)),
    ("elu", "", functional.elu, (-4, 4)),
    ("elu", "alpha=0.4", lambda x: functional.elu(x, 0.4), (-4, 4)),
    ("silu", "", functional.silu, (-9, 9)),
    ("hard_swish", "", functional.hardswish, (-5, 5)),
    ("hard_sigmoid", "", lambda x: functional.relu6(x + 3) / 6, (-5, 5)),  # functional.hardsigmoid has 1/6 in float32
    ("gelu", "", functional.gelu, (-6, 6)),
    ("gelu", "approximate=tanh", lambda x: functional.gelu(x, approximate="tanh"), (-6, 6)),
    ("sigmoid", "", torch.sigmoid, (-9, 9)),
    ("tanh", "", torch.tanh, (-5, 5)),
    ("softplus", "", functional.softplus, (-19, 19)),  # beyond 20 PyTorch takes x itself
    ("softplus", "beta=2", lambda x: functional.softplus(x, 2), (-9, 9)),
    ("abs", "", torch.abs, (-1, 1)),
    ("clamp", "min=-0.5 max=0.7", lambda x: torch.clamp(x, -0.5, 0.7), (-1, 1)),
    ("clamp", "min=0.5", lambda x: torch.clamp(x, min=0.5), (-1, 1)),
    ("exp", "", torch.exp, (-4, 4)),
    ("log", "", torch.log, (0.1, 4)),
    ("sqrt", "", torch.sqrt, (0.1, 4)),
    ("rsqrt", "", torch.rsqrt, (0.1, 4)),
    ("reciprocal", "", torch.reciprocal, (0.1, 4)),
    ("square", "", torch.square, (-2, 2)),
    ("pow", "", torch.square, (-2, 2)),
    ("pow", "exponent=-1.7", lambda x: torch.pow(x, -1.7), (0.1, 4)),
    ("neg", "", torch.neg, (-1, 1)),
    ("scale", "factor=-1.5 offset=0.5", lambda x: -1.5 * x + 0.5, (-1, 1)),
]
for op, params, function, span in UNARY:
    check(op, params, [(4, 31)], lambda x: [function(x)], between=span)

IMAGE = (2, 3, 4, 5)
BINARY = [
    ("prelu", "", functional.prelu, (6, 5), (1,)),
    ("prelu", "num_parameters=5", functional.prelu, (6, 5), (5,)),
    ("add", "", torch.add, IMAGE, (5,)),
    ("sub", "", torch.sub, (4, 1), IMAGE),
    ("mul", "", torch.mul, IMAGE, (2, 1, 1, 5)),
    ("mul", "", torch.mul, (2, 1, 4, 1), (3, 1, 5)),
    ("maximum", "", torch.maximum, IMAGE, (4, 5)),
    ("minimum", "", torch.minimum, (1,), IMAGE),
]
for op, params, function, a, b in BINARY:
    check(op, params, [a, b], lambda x, y: [function(x, y)])
check("div", "", [IMAGE, (3, 1, 1)], lambda x, y: [torch.div(x, y)], between=(0.2, 3))
check("maximum", "", [(7,), (7,)], lambda x, y: [torch.maximum(x, y)], between=(0.5, 0.5))  # equals share the gradient
for op in "greater", "less", "equal":
    for span in (-1, 1), (0.5, 0.5):
        check(op, "", [IMAGE, (4, 5)], lambda x, y: [getattr(torch, "eq" if op == "equal" else op)(x, y).double()], gradients=False,
              between=span)
check("detach", "", [IMAGE], lambda x: [x.detach()], gradients=False)
check("one_hot", "classes=9", [(3, 5)], lambda labels: [functional.one_hot(labels, 9)], integer=0, below=9)
check("ema_update", "", [IMAGE, IMAGE, (1,)], lambda s, x, d: [torch.lerp(x, s, d).detach()], gradients=False,
      given={2: torch.tensor([0.9], dtype=torch.float64)})
check("gather", "axis=1", [(3, 9, 2), (3, 4, 2)], lambda x, i: [x.gather(1, i)], integer=1, below=9)
check("gather_dot", "", [(4, 6), (4, 5), (9, 6)], lambda v, i, bank: [torch.einsum("bjd,bd->bj", bank[i], v)], integer=1, below=9)
check("sum_to", "shape=1,1,5", [IMAGE], lambda x: [x.sum((0, 1, 2)).reshape(1, 1, 5)])
check("expand", "shape=2,3,4,5", [(3, 1, 5)], lambda x: [x.expand(2, 3, 4, 5)])
