"""The networks of `cddrec train --model cddrec` and `--model sasrec` in PyTorch; state_dict() has the names of the checkpoint.

Sequences of different length stand in one batch padded behind their last item. Nothing needs a mask for that: a position sees what came
before it only, and what is read is the last real position. Positions are counted from the end.
"""
import torch
from torch import nn
from torch.nn import functional as F


class CrossDecoderLayer(nn.Module):
    """Attention whose query is the step alone (Eq. 9): mu_n = sum_{j <= n} softmax(q k_j) v_j. Residual and feed-forward are settings.

    feed_forward: how many times as wide as the model it is within; 0: there is none."""

    def __init__(self, width, heads, residual, feed_forward, dropout, attention_dropout):
        super().__init__()
        self.heads, self.residual, self.feed_forward = heads, residual, feed_forward
        self.dropout, self.attention_dropout = nn.Dropout(dropout), nn.Dropout(attention_dropout)
        self.query, self.key, self.value = (nn.Linear(width, width, bias=False) for _ in range(3))
        if residual:
            self.norm1 = nn.LayerNorm(width)
        if feed_forward:
            inner = feed_forward * width
            self.linear1, self.linear2, self.norm2 = nn.Linear(width, inner), nn.Linear(inner, width), nn.LayerNorm(width)

    def forward(self, x, step):  # x [B, L, d], step [d]
        def by_head(y):
            return y.unflatten(-1, (self.heads, -1)).transpose(1, 2)  # [B, heads, L, d / heads]

        length, keys = x.shape[1], by_head(self.key(x))
        query = self.query(step).view(self.heads, -1)
        scores = torch.einsum("hd,bhld->bhl", query, keys) / keys.shape[-1] ** 0.5
        future = torch.ones(length, length, dtype=torch.bool, device=x.device).triu(1)
        weights = scores.unsqueeze(2).expand(-1, -1, length, -1).masked_fill(future, -torch.inf).softmax(-1)
        h = (self.attention_dropout(weights) @ by_head(self.value(x))).transpose(1, 2).flatten(2)
        if self.residual:
            h = self.norm1(x + self.dropout(h))
        if self.feed_forward:
            h = self.norm2(h + self.dropout(self.linear2(self.dropout(F.gelu(self.linear1(h))))))
        return h


class CrossDecoder(nn.Module):
    """Layers of it. The first layer's parameters are the decoder's own, those of the others are under `layers`: such are the names."""

    def __init__(self, layers, steps, width, *rest):
        super().__init__()
        first = CrossDecoderLayer(width, *rest)
        self.step_embedding = nn.Embedding(steps, width)
        for name, part in first.named_children():
            self.add_module(name, part)
        self.layers = nn.ModuleDict({str(l): CrossDecoderLayer(width, *rest) for l in range(1, layers)})
        self.first = [first]  # a list, so that its parameters are not named twice

    def forward(self, x, t):
        step = self.step_embedding.weight[t]
        for layer in [self.first[0], *self.layers.values()]:
            x = layer(x, step)
        return x


class Recommender(nn.Module):
    def __init__(self, kind, items, s):
        """`s` are settings by name as numbers and booleans; see settings_of()."""
        super().__init__()
        self.items, self.max_length, self.cosine = items, s["max_length"], s["score"] == "cosine"
        width, heads = s["width"], s["heads"]
        self.item_embedding = nn.Embedding(items + 1, width)  # the last row is the mask
        self.position_embedding = nn.Embedding(self.max_length, width)
        self.input_norm, self.dropout = nn.LayerNorm(width), nn.Dropout(s["dropout"])
        layer = nn.TransformerEncoderLayer(width, heads, 4 * width, s["dropout"], activation="gelu", batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, s["layers"], enable_nested_tensor=False)
        for layer in self.encoder.layers:
            layer.self_attn.dropout = s["attention_dropout"]
        self.denoiser = None
        if kind == "cddrec":
            feed_forward = s["decoder_feed_forward"] if s["feed_forward"] else 0
            self.denoiser = CrossDecoder(s["decoder_layers"], s["steps"], width, heads, s["residual"], feed_forward, s["dropout"],
                                         s["attention_dropout"])
        for weight in self.parameters():
            if weight.dim() == 2:
                nn.init.normal_(weight, std=0.02)

    def forward(self, tokens, lengths, step=0):
        """tokens [B, L], the newest items of each sequence, oldest first; the prediction mu(e_s, step) at every position, [B, L, d]."""
        length = tokens.shape[1]
        places = torch.arange(length, device=tokens.device)
        positions = (self.max_length - lengths.unsqueeze(1) + places).clamp(max=self.max_length - 1)  # clamped behind the last item only
        x = self.dropout(self.input_norm(self.item_embedding(tokens) + self.position_embedding(positions)))
        x = self.encoder(x, mask=nn.Transformer.generate_square_subsequent_mask(length, device=x.device), is_causal=True)
        return x if self.denoiser is None else self.denoiser(x, step)

    def scores(self, predictions):
        """Scores of all items: [..., d] -> [..., V]."""
        table = self.item_embedding.weight[:self.items]
        if self.cosine:
            predictions, table = F.normalize(predictions, dim=-1), F.normalize(table, dim=-1)
        return predictions @ table.T

    def batch(self, histories):
        """Lists of item numbers as tokens and lengths."""
        newest = [torch.tensor(h[-self.max_length:]) for h in histories]
        return nn.utils.rnn.pad_sequence(newest, batch_first=True), torch.tensor([len(h) for h in newest])

    @torch.no_grad()
    def recommend_scores(self, histories):
        """Scores of all items as they come next after each history: [B, V]."""
        tokens, lengths = self.batch(histories)
        predictions = self(tokens, lengths)
        return self.scores(predictions[torch.arange(len(histories)), lengths - 1])


def settings_of(metadata):
    """The settings of a checkpoint that a network needs, as numbers and booleans. A file has what its kind of model reads, and an older
    one no `decoder_feed_forward`, which was always 4."""
    get = lambda key, otherwise=None: metadata[f"settings.{key}"] if otherwise is None else metadata.get(f"settings.{key}", otherwise)
    whole = {key: int(get(key)) for key in ("width", "layers", "heads", "max_length")}
    decoder = {key: int(get(key, otherwise)) for key, otherwise in (("steps", 1), ("decoder_layers", 1), ("decoder_feed_forward", 4))}
    real = {key: float(get(key)) for key in ("dropout", "attention_dropout")}
    flags = {key: get(key, "false") == "true" for key in ("residual", "feed_forward")}
    return {**whole, **decoder, **real, **flags, "score": get("score")}


def from_checkpoint(directory):
    """A network in evaluation mode with the weights of a checkpoint, and its item ids."""
    import checkpoint
    tensors, items, metadata = checkpoint.load(directory)
    kind = metadata["model"]
    if kind not in ("cddrec", "sasrec") or (kind == "cddrec" and metadata["settings.denoiser"] != "cross_decoder"):
        raise SystemExit(f"{directory}: is a {kind}; only sasrec, and cddrec with the cross_decoder, can be read here")
    network = Recommender(kind, len(items), settings_of(metadata))
    network.load_state_dict(tensors)
    return network.eval(), items
