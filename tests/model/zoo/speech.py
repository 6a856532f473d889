"""Networks for speech, in PyTorch: keyword spotting, and mel spectrograms from characters."""

import math

import torch
from torch import nn

from . import text


def mel_filters(rate, n_fft, mels):
    """[n_fft/2 + 1, mels]: triangles between neighbours on O'Shaughnessy's scale, as torchaudio.functional.melscale_fbanks."""
    top = 2595 * math.log10(1 + rate / 2 / 700)
    edges = 700 * (10 ** (torch.linspace(0, top, mels + 2, dtype=torch.float64) / 2595) - 1)
    bins = torch.linspace(0, rate / 2, n_fft // 2 + 1, dtype=torch.float64)[:, None]
    rising = (bins - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - bins) / (edges[2:] - edges[1:-1])
    return torch.minimum(rising, falling).clamp(min=0)


def log_mel(samples, n_fft, window, hop, mels, precision=torch.float64):
    """[N,S] -> [N,T,mels], computed in `precision` whatever goes in."""
    hann = torch.hann_window(window, dtype=precision)
    spectrum = torch.stft(samples.to(precision), n_fft, hop, window, hann, center=True, return_complex=True).abs() ** 2
    filters = mel_filters(16000, n_fft, mels).to(precision)
    return (spectrum.transpose(1, 2) @ filters).clamp(min=1e-10).log().to(samples.dtype)


class KeywordCNN(nn.Module):
    """cnn-trad-fpool3, written from Sainath and Parada 2015, table 1, behind a normalisation of each band. Layers are called as
    in Honk (Tang and Lin 2017, arXiv 1710.06554)."""

    def __init__(self, classes, samples=16000, precision=torch.float64, **others):
        super().__init__()
        self.precision = precision
        self.norm = nn.BatchNorm1d(40)
        self.conv1, self.conv2 = nn.Conv2d(1, 64, (20, 8)), nn.Conv2d(64, 64, (10, 4))
        self.lin, self.dnn1, self.output = nn.Linear(64 * (samples // 160 - 27) * 8, 32), nn.Linear(32, 128), nn.Linear(128, classes)

    def forward(self, waveform):
        x = self.norm(log_mel(waveform, 512, 400, 160, 40, self.precision).transpose(1, 2)).transpose(1, 2)
        x = nn.functional.max_pool2d(nn.functional.relu(self.conv1(x[:, None])), (1, 3))
        x = self.lin(nn.functional.relu(self.conv2(x)).flatten(1))
        return self.output(nn.functional.relu(self.dnn1(x)))


class KeywordGRU(nn.Module):
    """The small GRU of Zhang et al. 2017 (arXiv 1711.07128), over 10 log-mel bands, each normalised."""

    def __init__(self, classes, **others):
        super().__init__()
        self.norm = nn.BatchNorm1d(10)
        self.gru, self.fc = nn.GRU(10, 154, batch_first=True), nn.Linear(154, classes)

    def forward(self, waveform):
        x = self.norm(log_mel(waveform, 1024, 640, 640, 10).transpose(1, 2)).transpose(1, 2)
        return self.fc(self.gru(x)[0][:, -1])


def seen(queries, keys, values, mask, heads):
    """Scaled dot-product attention in several heads. mask [N,TK]: where a key may be seen."""
    (n, t, c), d = queries.shape, queries.shape[2] // heads
    q, k, v = (x.reshape(n, -1, heads, d).transpose(1, 2) for x in (queries, keys, values))
    scores = (q @ k.transpose(2, 3) / d**0.5).masked_fill(mask[:, None, None] == 0, float("-inf"))
    return (scores.softmax(-1) @ v).transpose(1, 2).reshape(n, t, c)


class Named(nn.Module):
    """A layer one level deeper, as NVIDIA's Tacotron 2 has its own (github.com/NVIDIA/tacotron2): only its names are of use here."""

    def __init__(self, **layer):
        super().__init__()
        (self.name, layer), = layer.items()
        self.add_module(self.name, layer)

    def forward(self, x):
        return getattr(self, self.name)(x)


def linear(inputs, outputs, bias=True):
    return Named(linear_layer=nn.Linear(inputs, outputs, bias))


def convolution(inputs, outputs):
    return nn.Sequential(Named(conv=nn.Conv1d(inputs, outputs, 5, padding=2)), nn.BatchNorm1d(outputs))


class Encoder(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.convolutions = nn.ModuleList(convolution(width, width) for _ in range(3))
        self.lstm = nn.LSTM(width, width // 2, batch_first=True, bidirectional=True)

    def forward(self, x, lengths):
        x = x.transpose(1, 2)
        for layer in self.convolutions:
            x = nn.functional.relu(layer(x))
        packed = nn.utils.rnn.pack_padded_sequence(x.transpose(1, 2), lengths[:, 0], batch_first=True, enforce_sorted=False)
        return nn.utils.rnn.pad_packed_sequence(self.lstm(packed)[0], batch_first=True, total_length=x.shape[2])[0]


class Prenet(nn.Module):
    def __init__(self, mels, width):
        super().__init__()
        self.layers = nn.ModuleList([linear(mels, width, bias=False), linear(width, width, bias=False)])

    def forward(self, x):
        return nn.functional.relu(self.layers[1](nn.functional.relu(self.layers[0](x))))


class Postnet(nn.Module):
    def __init__(self, mels, width):
        super().__init__()
        widths = [mels, width, width, width, width, mels]
        self.convolutions = nn.ModuleList(convolution(a, b) for a, b in zip(widths, widths[1:]))

    def forward(self, x):
        for layer in self.convolutions[:-1]:
            x = torch.tanh(layer(x))
        return self.convolutions[-1](x)


class Questions(nn.Module):
    """Attention by content."""

    def __init__(self, hidden, width, heads):
        super().__init__()
        self.heads = heads
        self.query_layer, self.memory_layer = linear(hidden, width, bias=False), linear(width, width, bias=False)

    def forward(self, x, memory, mask):
        return seen(self.query_layer(x), self.memory_layer(memory), memory, mask, self.heads)


class Steps(nn.Module):
    """An LSTM over time whose weights are called as those of nn.LSTMCell."""

    def __init__(self, inputs, hidden):
        super().__init__()
        cell = nn.LSTMCell(inputs, hidden)
        for name, parameter in cell.named_parameters():
            setattr(self, name, parameter)

    def forward(self, x):
        h = c = x.new_zeros(x.shape[0], self.weight_hh.shape[1])
        states = []
        for t in range(x.shape[1]):
            h, c = torch.lstm_cell(x[:, t], (h, c), self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
            states.append(h)
        return torch.stack(states, 1)


class Decoder(nn.Module):
    def __init__(self, mels, width, prenet, hidden, heads):
        super().__init__()
        self.prenet, self.attention_rnn = Prenet(mels, prenet), Steps(prenet, hidden)
        self.attention_layer, self.decoder_rnn = Questions(hidden, width, heads), Steps(hidden + width, hidden)
        self.linear_projection, self.gate_layer = linear(hidden + width, mels), linear(hidden + width, 1)

    def forward(self, memory, mask, frames):
        x = self.attention_rnn(self.prenet(nn.functional.pad(frames[:, :-1], (0, 0, 1, 0))))
        context = self.attention_layer(x, memory, mask)
        x = torch.cat([self.decoder_rnn(torch.cat([x, context], 2)), context], 2)
        return self.linear_projection(x), self.gate_layer(x)


class Tacotron(nn.Module):
    """Tacotron 2 (Shen et al. 2018, arXiv 1712.05884) with the decoder that models/tacotron.ini describes."""

    def __init__(self, classes, symbols=148, mels=80, width=512, prenet=256, hidden=1024, heads=4, **others):
        super().__init__()
        self.embedding, self.encoder = nn.Embedding(symbols, width), Encoder(width)
        self.decoder, self.postnet = Decoder(mels, width, prenet, hidden, heads), Postnet(mels, width)

    def forward(self, characters, lengths, mask, frames):
        mel, gate = self.decoder(self.encoder(self.embedding(characters), lengths), mask, frames)
        return {"mel_postnet": mel + self.postnet(mel.transpose(1, 2)).transpose(1, 2), "mel": mel, "gate": gate}


class Rest(nn.Module):
    """What follows an attention in FastSpeech's blocks (Ren et al. 2019, arXiv 1905.09263, section 3.1)."""

    def __init__(self, width):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.conv1, self.conv2 = nn.Conv1d(width, 4 * width, 3, padding=1), nn.Conv1d(4 * width, width, 3, padding=1)

    def forward(self, attended, before):
        x = self.norm1(attended + before)
        y = self.conv2(nn.functional.relu(self.conv1(x.transpose(1, 2)))).transpose(1, 2)
        return self.norm2(y + x)


class EncoderBlock(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads, self.in_proj, self.out_proj, self.rest = heads, nn.Linear(width, 3 * width), nn.Linear(width, width), Rest(width)

    def forward(self, x, mask):
        return self.rest(self.out_proj(seen(*self.in_proj(x).chunk(3, 2), mask, self.heads)), x)


class DecoderBlock(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads, self.query, self.key = heads, nn.Linear(width, width), nn.Linear(width, width)
        self.value, self.out_proj, self.rest = nn.Linear(width, width), nn.Linear(width, width), Rest(width)

    def forward(self, x, memory, mask):
        return self.rest(self.out_proj(seen(self.query(x), self.key(memory), self.value(memory), mask, self.heads)), x)


class Parallel(nn.Module):
    """models/acoustic-parallel.ini."""

    def __init__(self, classes, symbols=148, length=128, steps=512, mels=80, width=128, heads=2, layers=2, **others):
        super().__init__()
        self.embedding = nn.Embedding(symbols, width)
        self.character_positions = nn.Parameter(torch.randn(length, width))
        self.frame_positions = nn.Parameter(torch.randn(1, steps, width))
        self.encoder = nn.ModuleList(EncoderBlock(width, heads) for _ in range(layers))
        self.decoder = nn.ModuleList(DecoderBlock(width, heads) for _ in range(layers))
        self.mel, self.gate = nn.Linear(width, mels), nn.Linear(width, 1)

    def forward(self, characters, mask):
        memory = self.embedding(characters) + self.character_positions
        for block in self.encoder:
            memory = block(memory, mask)
        x = self.frame_positions.expand(len(characters), -1, -1)
        for block in self.decoder:
            x = block(x, memory, mask)
        return {"mel": self.mel(x), "gate": self.gate(x)}


def read_waveform(batch, samples=16000, **others):
    return {"waveform": torch.randn(batch, samples)}


def read_characters(batch, length=128, symbols=148, **others):
    characters, lengths = text.sentences(batch, length, symbols)
    return {"characters": characters, "mask": (torch.arange(length) < lengths).long()}


def read_spoken(batch, length=128, steps=512, mels=80, symbols=148, **others):
    read = read_characters(batch, length, symbols)
    return {**read, "lengths": read["mask"].sum(1, keepdim=True), "frames": torch.randn(batch, steps, mels)}
