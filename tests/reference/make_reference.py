#!/usr/bin/env python3
"""Writes reference.txt: what PyTorch makes of encoder layers, the decoder and every loss, in double precision.

    pip install torch            # or: apt-get install python3-torch; any version from 1.13 on
    python3 tests/reference/make_reference.py

The inputs are Python's own random numbers, rounded to two decimals, so every run on every machine has the same.
Format: a line `name rows cols`, then one line a row; lines that begin with # are comments. `X.gradient` is the derivative
with respect to X, of the loss `value` or, where there is an output, of sum(output * direction).
Weights of linear maps are [out, in], as PyTorch has them: y = x W^T + b. Packed rows: sequence after sequence.
"""
import math
import pathlib
import random

import torch
from torch import nn
from torch.nn import functional as F

WIDTH, HEADS, ITEMS, LONGEST, STEPS = 4, 2, 7, 5, 2
LENGTHS = [4, 1, 2]

draw = random.Random(20230422)
blocks = []


def put(name, tensor):
    rows = tensor.detach().reshape(-1, tensor.shape[-1] if tensor.dim() else 1).tolist()
    number = "{:.14g}".format  # finer than the tests ask for
    blocks.append("\n".join([f"{name} {len(rows)} {len(rows[0])}"] + [" ".join(map(number, row)) for row in rows]))


def leaf(name, *shape, scale=0.5, centre=0.0):
    """A named input that wants a gradient."""
    values = [round(draw.gauss(centre, scale), 2) for _ in range(math.prod(shape))]
    tensor = torch.tensor(values, dtype=torch.float64).reshape(shape).requires_grad_()
    put(name, tensor)
    return tensor


def whole(name, values):
    put(name, torch.tensor(values, dtype=torch.float64))
    return torch.tensor(values)


def setting(name, value):
    put(name, torch.tensor(value, dtype=torch.float64))
    return value


def gradients(of, **leaves):
    """Writes d of / d leaf for every leaf; a dot in a name is written as two underscores."""
    for name, gradient in zip(leaves, torch.autograd.grad(of, list(leaves.values()), retain_graph=True)):
        put(name.replace("__", ".") + ".gradient", gradient)


def future(n):
    """True where a position must not look."""
    return torch.ones(n, n).triu(1).bool()


def fill(module, prefix, **scales):
    """Gives a module's parameters fresh values, normalisation weights around 1, and writes them under PyTorch's names."""
    for name, parameter in module.named_parameters():
        centre = 1.0 if "norm" in prefix + name and name.endswith("weight") else 0.0
        parameter.data.copy_(leaf(f"{prefix}{name}", *parameter.shape, scale=0.3, centre=centre).data)
    return module


def encoder():
    """e_s = Transformer(LN(E[v] + P)), causal, post-norm, GELU; the newest item has position L - 1 (Eq. 8)."""
    items = whole("encoder.items", [3, 0, 6, 7, 5, 1, 3])  # 7 is the mask token
    whole("encoder.lengths", LENGTHS)
    embedding = leaf("encoder.embedding", ITEMS + 1, WIDTH)
    position = leaf("encoder.position", LONGEST, WIDTH)
    norm = fill(nn.LayerNorm(WIDTH, eps=1e-5).double(), "encoder.norm.")
    layer = nn.TransformerEncoderLayer(WIDTH, HEADS, 4 * WIDTH, dropout=0.0, activation="gelu", layer_norm_eps=1e-5,
                                       batch_first=True, norm_first=False).double()
    fill(layer, "encoder.")
    output = []
    for sequence in items.split(LENGTHS):
        n = len(sequence)
        x = norm(embedding[sequence] + position[LONGEST - n:])
        output.append(layer(x[None], src_mask=future(n))[0])
    output = torch.cat(output)
    put("encoder.output", output)
    direction = leaf("encoder.direction", *output.shape, scale=1.0)
    gradients((output * direction).sum(), encoder__embedding=embedding, encoder__position=position,
              encoder__self_attn__in_proj_weight=layer.self_attn.in_proj_weight,
              encoder__linear1__weight=layer.linear1.weight, encoder__norm1__weight=layer.norm1.weight)


def decoder():
    """mu(e_s, t) = softmax((e_t W_Q)(e_s W_K)^T / sqrt(d_head))(e_s W_V), causal (Eq. 9), rows t * N + n;
    `residual` is LN(h + FF(h)) with h = LN(e_s + mu)."""
    encoding = leaf("decoder.encoding", sum(LENGTHS), WIDTH)
    step = leaf("decoder.step", STEPS, WIDTH)
    query, key, value = (leaf(f"decoder.{name}.weight", WIDTH, WIDTH) for name in ("query", "key", "value"))
    norm1 = fill(nn.LayerNorm(WIDTH, eps=1e-5).double(), "decoder.norm1.")
    norm2 = fill(nn.LayerNorm(WIDTH, eps=1e-5).double(), "decoder.norm2.")
    linear1 = fill(nn.Linear(WIDTH, 4 * WIDTH).double(), "decoder.linear1.")
    linear2 = fill(nn.Linear(4 * WIDTH, WIDTH).double(), "decoder.linear2.")

    def heads(x, weight):
        return (x @ weight.T).reshape(len(x), HEADS, WIDTH // HEADS).transpose(0, 1)

    mean, residual = [], []
    for t in range(STEPS):
        attended = []
        for e_s in encoding.split(LENGTHS):
            n = len(e_s)
            scores = heads(step[t].expand(n, WIDTH), query) @ heads(e_s, key).transpose(1, 2) / math.sqrt(WIDTH // HEADS)
            weights = scores.masked_fill(future(n), -math.inf).softmax(-1)
            attended.append((weights @ heads(e_s, value)).transpose(0, 1).reshape(n, WIDTH))
        mean.append(torch.cat(attended))
        h = norm1(encoding + mean[-1])
        residual.append(norm2(h + linear2(F.gelu(linear1(h)))))
    direction = leaf("decoder.direction", STEPS * sum(LENGTHS), WIDTH, scale=1.0)
    for name, output in (("plain", torch.cat(mean)), ("residual", torch.cat(residual))):
        put(f"decoder.{name}.output", output)
        gradients((output * direction).sum(), **{f"decoder__{name}__encoding": encoding, f"decoder__{name}__step": step,
                                                 f"decoder__{name}__key": key})


def softplus(x):
    return -F.logsigmoid(-x)  # F.softplus is linear above 20, which is 2e-9 off


def loss(name, value, **leaves):
    put(f"{name}.value", value)
    gradients(value, **{f"{name.replace('.', '__')}__{key}": leaf for key, leaf in leaves.items()})


def cross_divergence():
    """mean[softplus(D+) + softplus(-D-)] over tokens (Eq. 12-13), for each divergence D."""
    tokens, width = 5, 3
    mean = leaf("divergence.mean", tokens, width)
    x0, negative = leaf("divergence.x0", tokens, width), leaf("divergence.negative", tokens, width)

    def kl(x, alpha_bar, variance):
        ratio = (1 - alpha_bar) / variance
        distance = (math.sqrt(alpha_bar) * x - mean).square().sum(-1)
        return 0.5 * (width * (ratio - 1 - math.log(ratio)) + distance / variance)

    for name, alpha_bar, variance in (("kl", 0.6, 0.3), ("kl_saturated", 0.9, 1e-3)):
        setting(f"{name}.alpha_bar", alpha_bar), setting(f"{name}.posterior_variance", variance)
        positive, other = kl(x0, alpha_bar, variance), kl(negative, alpha_bar, variance)
        put(f"{name}.positive", positive), put(f"{name}.other", other)
        value = (softplus(positive) + softplus(-other)).mean()
        if name == "kl":  # as the paper writes it
            literal = -(torch.log(torch.sigmoid(-positive)) + torch.log(1 - torch.sigmoid(-other))).mean()
            assert abs(value - literal) < 1e-12
        p = torch.distributions.Normal(math.sqrt(alpha_bar) * x0, math.sqrt(1 - alpha_bar))
        q = torch.distributions.Normal(mean, math.sqrt(variance))
        assert torch.allclose(torch.distributions.kl_divergence(p, q).sum(-1), positive, rtol=1e-12)
        loss(name, value, mean=mean, x0=x0, negative=negative)

    alpha_bar, variance = setting("kl_mean.alpha_bar", 0.6), setting("kl_mean.variance", 0.8)
    half = lambda x: 0.5 * (math.sqrt(alpha_bar) * x - mean).square().sum(-1) / variance
    loss("kl_mean", (softplus(half(x0)) + softplus(-half(negative))).mean(), mean=mean, x0=x0, negative=negative)

    prediction = leaf("dot_product.prediction", tokens, width, scale=1.0)
    xt, other = leaf("dot_product.xt", tokens, width, scale=1.0), leaf("dot_product.negative", tokens, width, scale=1.0)
    dot = lambda x: (prediction * x).sum(-1)
    loss("dot_product", (softplus(-dot(xt)) + softplus(dot(other))).mean(), prediction=prediction, xt=xt, negative=other)


def contrastive():
    """InfoNCE over 2N anchors: every other of the 2N in the denominator, the mean over 2N (Eq. 14);
    `masked` leaves out of it the other tokens that have the anchor's target."""
    tokens, width, temperature = 6, 4, setting("info_nce.temperature", 0.5)
    a, b = leaf("info_nce.a", tokens, width, scale=1.0), leaf("info_nce.b", tokens, width, scale=1.0)
    targets = whole("info_nce.targets", [2, 0, 2, 5, 1, 2])
    z = F.normalize(torch.cat([a, b]), eps=1e-12)
    scores = z @ z.T / temperature
    anchor = torch.arange(2 * tokens)
    partner, token = (anchor + tokens) % (2 * tokens), anchor % tokens
    itself = torch.eye(2 * tokens).bool()
    same = (targets[token][:, None] == targets[token][None]) & (token[:, None] != token[None])
    for name, hidden in (("info_nce", itself), ("info_nce.masked", itself | same)):
        loss(name, F.cross_entropy(scores.masked_fill(hidden, -math.inf), partner), a=a, b=b)


def softmax_over_items():
    """Cross entropy of the target among all items; scores are cosines over the temperature."""
    tokens, items, width, temperature = 5, 7, 4, setting("softmax.temperature", 0.07)
    prediction, table = leaf("softmax.prediction", tokens, width, scale=1.0), leaf("softmax.items", items, width, scale=1.0)
    targets = whole("softmax.targets", [4, 0, 4, 6, 1])
    scores = F.normalize(prediction, eps=1e-12) @ F.normalize(table, eps=1e-12).T / temperature
    loss("softmax", F.cross_entropy(scores, targets), prediction=prediction, items=table)


def gru():
    """Two layers of gated recurrent units, each sequence from a hidden state of zero."""
    whole("gru.lengths", LENGTHS)
    x = leaf("gru.x", sum(LENGTHS), WIDTH, scale=1.0)
    layers = fill(nn.GRU(WIDTH, WIDTH, num_layers=2, batch_first=True).double(), "gru.")
    output = torch.cat([layers(sequence[None])[0][0] for sequence in x.split(LENGTHS)])
    put("gru.output", output)
    direction = leaf("gru.direction", *output.shape, scale=1.0)
    gradients((output * direction).sum(), gru__x=x, **{f"gru__{name}": p for name, p in layers.named_parameters()})


for part in (encoder, decoder, cross_divergence, contrastive, softmax_over_items, gru):
    part()
path = pathlib.Path(__file__).with_name("reference.txt")
path.write_text("# PyTorch's numbers, by make_reference.py, which explains them\n" + "\n".join(blocks) + "\n")
