"""Networks for text, in PyTorch, and what they read. BERT and DistilBERT are those of the package transformers."""

import torch
from torch import nn


class TextCNN(nn.Module):
    """Written from Kim 2014 (arXiv 1408.5882), section 2."""

    def __init__(self, classes, vocabulary=20000, width=300, filters=100, **others):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width, padding_idx=0)
        self.convs = nn.ModuleList(nn.Conv1d(width, filters, size) for size in (3, 4, 5))
        self.fc = nn.Linear(3 * filters, classes)

    def forward(self, tokens):
        x = self.embedding(tokens).transpose(1, 2)
        answers = [nn.functional.relu(conv(x))[..., None] for conv in self.convs]
        return self.fc(torch.cat([nn.functional.max_pool2d(y, (y.shape[2], 1)).flatten(1) for y in answers], 1))


class BiLSTM(nn.Module):
    """Written from Tang et al. 2019 (arXiv 1903.12136), section 3.1."""

    def __init__(self, classes, vocabulary=20000, width=300, hidden=150, dense=200, **others):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, width, padding_idx=0)
        self.lstm = nn.LSTM(width, hidden, batch_first=True, bidirectional=True)
        self.fc1, self.fc2 = nn.Linear(2 * hidden, dense), nn.Linear(dense, classes)

    def forward(self, tokens, lengths):
        packed = nn.utils.rnn.pack_padded_sequence(self.embedding(tokens), lengths[:, 0], batch_first=True, enforce_sorted=False)
        _, (last, _) = self.lstm(packed)
        return self.fc2(nn.functional.relu(self.fc1(torch.cat([last[0], last[1]], 1))))


def spread(width):
    """Of weights: a dense layer halves the square of numbers around 1. Of a fresh BERT's, 0.02, come numbers so small that all
    activations are straight lines. Larger ones make all tokens alike after twelve layers, or a softmax 0 or 1: then the gradients of
    queries and keys are nothing but rounding."""
    return (2 * width) ** -0.5


def bert(classes, layers, width, heads, vocabulary):
    from transformers import BertConfig, BertForSequenceClassification

    return BertForSequenceClassification(BertConfig(
        vocab_size=vocabulary, num_hidden_layers=layers, hidden_size=width, num_attention_heads=heads, num_labels=classes,
        intermediate_size=4 * width, initializer_range=spread(width), hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0))


def distilbert(classes, layers=6, width=768, heads=12, vocabulary=30522, **others):
    from transformers import DistilBertConfig, DistilBertForSequenceClassification

    return DistilBertForSequenceClassification(DistilBertConfig(
        vocab_size=vocabulary, n_layers=layers, dim=width, n_heads=heads, hidden_dim=4 * width, num_labels=classes,
        initializer_range=spread(width), dropout=0.0, attention_dropout=0.0, seq_classif_dropout=0.0))


def sentences(batch, length, vocabulary):
    """tokens [batch,length] with zeros behind each text's end, and lengths [batch,1]; the last text is short, the first full."""
    lengths = torch.randint(2, length + 1, (batch, 1))
    lengths[-1], lengths[0] = length // 2, length
    tokens = torch.randint(1, vocabulary, (batch, length))
    return tokens * (torch.arange(length) < lengths), lengths


def read_tokens(batch, length=64, vocabulary=20000, **others):
    return {"tokens": sentences(batch, length, vocabulary)[0]}


def read_lengths(batch, length=64, vocabulary=20000, **others):
    tokens, lengths = sentences(batch, length, vocabulary)
    return {"tokens": tokens, "lengths": lengths}


def read_masked(batch, length=128, vocabulary=30522, **others):
    tokens, lengths = sentences(batch, length, vocabulary)
    return {"tokens": tokens, "mask": (torch.arange(length) < lengths).long()}


def read_pairs(batch, length=128, vocabulary=30522, **others):
    return {**read_masked(batch, length, vocabulary), "types": (torch.arange(length) >= length // 2).long().expand(batch, -1)}
