"""Networks that read tensors by name, not one image: the shipped ones beside their references."""

from . import speech, tables, text

try:
    import transformers
except ImportError:  # BERT and DistilBERT are left out
    transformers = None


class Named:
    """What cases.Case is for networks of images. make(classes, **sizes): the reference. read(batch, **sizes): {name of an input:
    tensor}, as the network here reads it. small: sizes to run with, by the names of the model's parameters; those not there
    are the model's own. Dropout's share is one of them. names: of inputs, where the reference calls them otherwise."""

    spread = 0.3

    def __init__(self, model, make, read, output="fc", classes=2, small=None, names=None, batch=3, seed=0, modes="eval train",
                 device_classes="cpu", image=(0, 0, 0)):
        self.model, self.maker, self.read, self.output, self.classes = model, make, read, output, classes
        self.side, self.test_side, self.names, self.image = {}, small or {}, names or {}, image
        self.batch, self.seed, self.modes, self.device_classes = batch, seed, modes.split(), device_classes.split()
        self.parameters = " ".join(f"{name}={size}" for name, size in self.test_side.items())

    def make(self, sizes):
        return self.maker(self.classes, **sizes)

    def inputs(self):
        return self.read(self.batch, **self.test_side)

    def sample(self):
        return self.read(1)

    def run(self, network, inputs):
        """{name of an output: tensor}"""
        y = network(**{self.names.get(name, name): x for name, x in inputs.items()})
        y = getattr(y, "logits", y)  # of transformers
        return y if isinstance(y, dict) else {self.output: y}


BERT_NAMES = {"tokens": "input_ids", "mask": "attention_mask", "types": "token_type_ids"}


def bert(model, layers, width, heads, vocabulary=500, **settings):
    def make(classes, vocabulary=30522, **sizes):
        return text.bert(classes, layers, width, heads, vocabulary)

    return Named(model, make, text.read_pairs, "classifier", small={"length": 16, "vocabulary": vocabulary, "dropout": 0},
                 names=BERT_NAMES, batch=2, **settings)


def transformers_cases():
    return [
        bert("bert-tiny", 2, 128, 2, device_classes="cpu gpu generic"),
        bert("bert-mini", 4, 256, 4),
        bert("bert-small", 4, 512, 8, modes="eval"),
        bert("bert-base", 12, 768, 12, vocabulary=30522, modes="eval"),
        Named("distilbert", text.distilbert, text.read_masked, "classifier", names=BERT_NAMES, small={
            "length": 9, "layers": 2, "width": 48, "heads": 4, "vocabulary": 100, "dropout": 0, "classifier_dropout": 0}),
    ]


TABLE = {"vocabulary": 50, "fields": 5, "columns": 3, "width": 6}

NAMED = [
    Named("textcnn", text.TextCNN, text.read_tokens, small={"vocabulary": 40, "length": 11, "width": 12, "filters": 10, "dropout": 0},
          device_classes="cpu gpu generic"),
    Named("bilstm", text.BiLSTM, text.read_lengths, "fc2", small={"vocabulary": 40, "length": 9, "width": 12, "hidden": 10, "dense": 14},
          device_classes="cpu gpu generic"),
    Named("kws-cnn", speech.KeywordCNN, speech.read_waveform, "output", classes=12),
    Named("kws-gru", speech.KeywordGRU, speech.read_waveform, classes=12, device_classes="cpu gpu generic"),
    Named("tacotron", speech.Tacotron, speech.read_spoken, small={
        "symbols": 30, "length": 9, "steps": 13, "mels": 8, "width": 16, "prenet": 12, "hidden": 20, "dropout": 0, "rnn_dropout": 0}),
    Named("acoustic-parallel", speech.Parallel, speech.read_characters, small={
        "symbols": 30, "length": 9, "steps": 13, "mels": 8, "width": 16, "layers": 1, "dropout": 0}),
    Named("mlp-table", tables.TableMLP, tables.read, small={**TABLE, "hidden": 16, "dropout": 0}, batch=7),
    Named("wide-deep", tables.WideDeep, tables.read, "logits", small={**TABLE, "hidden1": 16, "hidden2": 12, "hidden3": 8}, batch=7),
    Named("deepfm", tables.DeepFM, tables.read_clicks, "logits", small={**TABLE, "hidden": 16, "layers": 2, "dropout": 0}, batch=7,
          device_classes="cpu gpu generic"),
    *(transformers_cases() if transformers else []),
]
