"""Networks that read tensors by name, not one image: the shipped ones beside their references."""

from . import speech, tables, text

try:
    import transformers
except ImportError:
    transformers = None


class Named:
    """What cases.Case is for networks of images. make(classes, **sizes): the reference. read(batch, **sizes): {name of an input:
    tensor}, as the network here reads it. small: sizes to run with, by the names of the model's parameters; those not there
    are the model's own. Dropout's share is one of them. names: of inputs, where the reference calls them otherwise."""

    spread = 0.3

    def __init__(self, model, make, read, output="fc", classes=2, small=None, names=None, batch=3, seed=0, device_classes="cpu",
                 image=(0, 0, 0), needs=""):
        self.model, self.maker, self.read, self.output, self.classes = model, make, read, output, classes
        self.side, self.test_side, self.names, self.image = {}, small or {}, names or {}, image
        self.batch, self.seed, self.device_classes, self.needs = batch, seed, device_classes.split(), needs
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


NEEDS = "" if transformers else "transformers"


def bert(model, layers, width, heads, small=None, **settings):
    def make(classes, vocabulary=30522, width=width, heads=heads, **sizes):
        return text.bert(classes, layers, width, heads, vocabulary)

    return Named(model, make, text.read_pairs, "classifier", small={"length": 16, "vocabulary": 500, "dropout": 0, **(small or {})},
                 names=BERT_NAMES, batch=2, needs=NEEDS, **settings)


TABLE = {"vocabulary": 50, "dropout": 0}
TEXT = {"vocabulary": 500, "length": 11}
SPEECH = {"length": 9, "steps": 13, "dropout": 0}

NAMED = [
    Named("textcnn", text.TextCNN, text.read_tokens, small={**TEXT, "dropout": 0}),
    Named("bilstm", text.BiLSTM, text.read_lengths, "fc2", small=TEXT),
    Named("kws-cnn", speech.KeywordCNN, speech.read_waveform, "output", classes=12),
    Named("kws-gru", speech.KeywordGRU, speech.read_waveform, classes=12, device_classes="cpu gpu generic"),
    Named("tacotron", speech.Tacotron, speech.read_spoken, small={**SPEECH, "rnn_dropout": 0}),
    Named("acoustic-parallel", speech.Parallel, speech.read_characters, small=SPEECH),
    Named("mlp-table", tables.TableMLP, tables.read, small=TABLE, batch=7),
    Named("wide-deep", tables.WideDeep, tables.read, "logits", small={"vocabulary": 50}, batch=7),
    Named("deepfm", tables.DeepFM, tables.read_clicks, "logits", small=TABLE, batch=7),
    bert("bert", 12, 768, 12, small={"width": 256, "heads": 4}),  # bert-base is the same network
    bert("bert-tiny", 2, 128, 2, device_classes="cpu gpu generic"),
    bert("bert-mini", 4, 256, 4),
    bert("bert-small", 4, 512, 8),
    bert("bert-base", 12, 768, 12),
    Named("distilbert", text.distilbert, text.read_masked, "classifier", names=BERT_NAMES, needs=NEEDS,
          small={"length": 9, "vocabulary": 500, "dropout": 0, "classifier_dropout": 0}),
]
