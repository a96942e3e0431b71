#!/usr/bin/env python3
"""Writes reference.txt: what PyTorch makes of encoders, decoders, variational head, discriminator and every loss, in double precision.

    pip install torch            # or: apt-get install python3-torch; any version from 1.13 on
    python3 tests/reference/make_reference.py

The inputs are Python's own random numbers, rounded to two decimals, so every run on every machine has the same; every part has its own.
The noise of a draw is the library's, which noise.py computes once more.
Format: a line `name rows cols`, then one line a row; lines that begin with # are comments. `X.gradient` is the derivative
with respect to X, of the loss `value` or, where there is an output, of sum(output * direction).
Weights of linear maps are [out, in], as PyTorch has them: y = x W^T + b. Packed rows: sequence after sequence.
"""
import itertools
import math
import pathlib
import random

import torch
from torch import nn
from torch.nn import functional as F

import noise

WIDTH, HEADS, ITEMS, LONGEST, STEPS = 4, 2, 7, 5, 2
LENGTHS = [4, 1, 2]

draw = random.Random()
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


def gradients(of, name, leaves):
    """Writes d of / d leaf for every leaf."""
    for key, gradient in zip(leaves, torch.autograd.grad(of, list(leaves.values()), retain_graph=True)):
        put(f"{name}.{key}.gradient", gradient)


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
    """e_s = Transformer(LN(E[v] + P)), post-norm, GELU, causal or both ways, of one layer and of two; the newest item has position L - 1
    (Eq. 8). The discriminator reads the last row of the second, both ways: once after these items, once after others that were drawn."""
    items = whole("encoder.items", [3, 0, 6, 7, 5, 1, 3])  # 7 is the mask token
    whole("encoder.lengths", LENGTHS)
    embedding = leaf("encoder.embedding", ITEMS + 1, WIDTH)
    position = leaf("encoder.position", LONGEST, WIDTH)
    norm = fill(nn.LayerNorm(WIDTH, eps=1e-5).double(), "encoder.norm.")
    layer = nn.TransformerEncoderLayer(WIDTH, HEADS, 4 * WIDTH, dropout=0.0, activation="gelu", layer_norm_eps=1e-5,
                                       batch_first=True, norm_first=False).double()
    stack = fill(nn.TransformerEncoder(layer, 2, enable_nested_tensor=False), "encoder.")
    direction = leaf("encoder.direction", sum(LENGTHS), WIDTH, scale=1.0)

    def encoded(items, causal, layers):
        output = []
        for sequence in items.split(LENGTHS):
            n = len(sequence)
            x, mask = norm(embedding[sequence] + position[LONGEST - n:])[None], future(n) if causal else None
            whole_stack = stack(x, mask=mask)
            for layer in stack.layers[:layers]:
                x = layer(x, src_mask=mask)
            assert layers == 1 or torch.allclose(whole_stack, x, rtol=1e-12)
            output.append(x[0])
        return torch.cat(output)

    for causal in (True, False):
        for layers in (1, 2):
            name = f"encoder.{'causal' if causal else 'bidirectional'}.{layers}"
            output = encoded(items, causal, layers)
            put(f"{name}.output", output)
            of = stack.layers[layers - 1]
            gradients((output * direction).sum(), name, {
                "embedding": embedding, "position": position, "self_attn.in_proj_weight": of.self_attn.in_proj_weight,
                "linear1.bias": of.linear1.bias, "norm1.weight": of.norm1.weight})

    drawn = whole("discriminator.drawn", [3, 0, 6, 2, 4, 1, 5])
    verdict = fill(nn.Linear(WIDTH, 1).double(), "discriminator.verdict.")
    last = torch.tensor(LENGTHS).cumsum(0) - 1
    real, fake = (verdict(encoded(of, False, 2)[last]) for of in (items, drawn))
    put("discriminator.real", real), put("discriminator.fake", fake)
    bce = F.binary_cross_entropy_with_logits
    loss("discriminator", bce(real, torch.ones_like(real)) + bce(fake, torch.zeros_like(fake)), embedding=embedding, position=position,
         verdict=verdict.weight, norm=norm.weight)


def decoder():
    """mu(e_s, t) = softmax((e_t W_Q)(e_s W_K)^T / sqrt(d_head))(e_s W_V), causal (Eq. 9), rows t * N + n, of one head and of two, of one
    layer and of two; `residual` is h = LN(e_s + mu), `feed_forward` LN(h + FF(h)) on top. The first layer's names say nothing of layers."""
    lengths = whole("decoder.lengths", [3, 1]).tolist()
    encoding = leaf("decoder.encoding", sum(lengths), WIDTH)
    step = leaf("decoder.step_embedding.weight", STEPS, WIDTH)
    direction = leaf("decoder.direction", STEPS * sum(lengths), WIDTH, scale=1.0)
    stack = []
    for prefix in ("decoder.", "decoder.layers.1."):
        own = {name: leaf(f"{prefix}{name}.weight", WIDTH, WIDTH) for name in ("query", "key", "value")}
        for name in ("norm1", "norm2"):
            own[name] = fill(nn.LayerNorm(WIDTH, eps=1e-5).double(), f"{prefix}{name}.")
        own["linear1"] = fill(nn.Linear(WIDTH, 4 * WIDTH).double(), f"{prefix}linear1.")
        own["linear2"] = fill(nn.Linear(4 * WIDTH, WIDTH).double(), f"{prefix}linear2.")
        stack.append(own)

    def attended(own, h, e_t, heads):
        split = lambda x, weight: (x @ weight.T).reshape(len(x), heads, WIDTH // heads).transpose(0, 1)
        scores = split(e_t.expand(len(h), WIDTH), own["query"]) @ split(h, own["key"]).transpose(1, 2) / math.sqrt(WIDTH // heads)
        weights = scores.masked_fill(future(len(h)), -math.inf).softmax(-1)
        return (weights @ split(h, own["value"])).transpose(0, 1).reshape(len(h), WIDTH)

    for heads, layers, residual, feed_forward in itertools.product((1, 2), (1, 2), (0, 1), (0, 1)):
        output = []
        for t in range(STEPS):
            for h in encoding.split(lengths):
                for own in stack[:layers]:
                    mu = attended(own, h, step[t], heads)
                    h = own["norm1"](h + mu) if residual else mu
                    if feed_forward:
                        h = own["norm2"](h + own["linear2"](F.gelu(own["linear1"](h))))
                output.append(h)
        output = torch.cat(output)
        name = f"decoder.{heads}.{layers}.{residual}.{feed_forward}"
        put(f"{name}.output", output)
        gradients((output * direction).sum(), name, {"encoding": encoding, "step": step, "key": stack[layers - 1]["key"]})


def latent_kl(mean, log_variance):
    """KL(q || N(0, I)) of independent Gaussians q, given by means and logarithms of variances: the mean over tokens."""
    given, standard = torch.distributions.Normal(mean, (0.5 * log_variance).exp()), torch.distributions.Normal(0.0, 1.0)
    return torch.distributions.kl_divergence(given, standard).sum(-1).mean()


def latent():
    mean, log_variance = leaf("latent.mean", 5, 3, scale=1.0), leaf("latent.log_variance", 5, 3, scale=1.0)
    loss("latent", latent_kl(mean, log_variance), mean=mean, log_variance=log_variance)


def softplus(x):
    return -F.logsigmoid(-x)  # F.softplus is linear above 20, which is 2e-9 off


def loss(name, value, **leaves):
    put(f"{name}.value", value)
    gradients(value, name, leaves)


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
    squared = lambda x: (prediction - x).square().sum(-1)
    loss("squared_distance", (softplus(squared(xt)) + softplus(-squared(other))).mean(), prediction=prediction, xt=xt, negative=other)
    loss("mean_squared_error", F.mse_loss(mean, x0), mean=mean, x0=x0)
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


def transformer_decoder():
    """Decoder layers, one and two, whose memory is the step embedding alone, rows t * N + n: the reading of the authors' code."""
    encoding = leaf("transformer_decoder.encoding", sum(LENGTHS), WIDTH)
    step = leaf("transformer_decoder.step", STEPS, WIDTH)
    layer = nn.TransformerDecoderLayer(WIDTH, HEADS, 4 * WIDTH, dropout=0.0, activation="gelu", layer_norm_eps=1e-5, batch_first=True,
                                       norm_first=False).double()
    stack = fill(nn.TransformerDecoder(layer, 2), "transformer_decoder.")
    direction = leaf("transformer_decoder.direction", STEPS * sum(LENGTHS), WIDTH, scale=1.0)
    for layers in (1, 2):
        output = []
        for t in range(STEPS):
            for e_s in encoding.split(LENGTHS):
                x, memory, mask = e_s[None], step[t][None, None], future(len(e_s))
                for layer in stack.layers[:layers]:
                    x = layer(x, memory, tgt_mask=mask)
                assert layers == 1 or torch.allclose(stack(e_s[None], memory, tgt_mask=mask), x, rtol=1e-12)
                output.append(x[0])
        output = torch.cat(output)
        name = f"transformer_decoder.{layers}"
        put(f"{name}.output", output)
        gradients((output * direction).sum(), name,
                  {"encoding": encoding, "step": step, "linear2.bias": stack.layers[layers - 1].linear2.bias})


def ranking():
    """One negative and a logistic loss (SASRec); candidates shared by the batch and a softmax, less their log shares."""
    tokens, width, temperature = 5, 4, setting("ranking.temperature", 0.5)
    prediction, target = leaf("ranking.prediction", tokens, width, scale=1.0), leaf("ranking.target", tokens, width, scale=1.0)
    negative = leaf("ranking.negative", tokens, width, scale=1.0)
    dot = lambda x: (prediction * x).sum(-1) / temperature
    bce = F.binary_cross_entropy_with_logits
    loss("ranking.bce", bce(dot(target), torch.ones(tokens).double()) + bce(dot(negative), torch.zeros(tokens).double()),
         prediction=prediction, target=target, negative=negative)
    # Rows 0, 2 and 4 have their target among the candidates, at 1, 0 and 1.
    others = leaf("ranking.others", 3, width, scale=1.0)
    candidates = torch.stack([target[2], target[0], *others])
    shares = leaf("ranking.log_shares", 5, 1, scale=1.0).detach()[:, 0]
    own = torch.stack([shares[1], torch.tensor(-0.3).double(), shares[0], torch.tensor(0.4).double(), shares[1]])
    put("ranking.target_log_shares", own)
    total = 0
    for i, place in enumerate((1, None, 0, None, 1)):
        scores = prediction[i] @ candidates.T / temperature - shares
        if place is None:
            scores, place = torch.cat([scores, (prediction[i] @ target[i] / temperature - own[i])[None]]), 5
        elif i == 4:
            scores = torch.cat([scores[:1], (prediction[i] @ target[0] / temperature - own[i])[None], scores[2:]])
        total = total + F.cross_entropy(scores[None], torch.tensor([place])) / tokens
    loss("ranking.sampled", total, prediction=prediction, target=target, others=others)


def gru():
    """Two layers of gated recurrent units, each sequence from a hidden state of zero."""
    whole("gru.lengths", LENGTHS)
    x = leaf("gru.x", sum(LENGTHS), WIDTH, scale=1.0)
    layers = fill(nn.GRU(WIDTH, WIDTH, num_layers=2, batch_first=True).double(), "gru.")
    output = torch.cat([layers(sequence[None])[0][0] for sequence in x.split(LENGTHS)])
    put("gru.output", output)
    direction = leaf("gru.direction", *output.shape, scale=1.0)
    gradients((output * direction).sum(), "gru", {"x": x, **dict(layers.named_parameters())})


def policy():
    """REINFORCE with the batch's mean reward as the baseline: -(R - mean R) log p(drawn), averaged; rewards are constants."""
    scale = setting("policy.scale", 2.0)
    x, table = leaf("policy.x", 6, WIDTH), leaf("policy.items", ITEMS, WIDTH)
    drawn = whole("policy.drawn", [4, 0, 4, 6, 1, 0])
    rewards = leaf("policy.rewards", 6, 1, scale=0.2, centre=0.5).detach()[:, 0]
    log_probability = torch.distributions.Categorical(logits=scale * x @ table.T).log_prob(drawn)
    loss("policy", -((rewards - rewards.mean()) * log_probability).mean(), x=x, items=table)


def variational():
    """mu and log sigma^2 are linear in x; W2 gelu(W1 z) is the prediction, z = mu + sigma noise in training and mu in serving. The loss is
    the mean over rows of prediction * direction, and the latent variables' divergence from N(0, I) with a weight."""
    x, direction = (leaf(f"variational.{name}", 7, WIDTH, scale=1.0) for name in ("x", "direction"))
    linear1, linear2 = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)
    head = nn.ModuleDict({"mean": nn.Linear(WIDTH, WIDTH), "log_variance": nn.Linear(WIDTH, WIDTH),
                          "decoder": nn.ModuleDict({"linear1": linear1, "linear2": linear2})}).double()
    fill(head, "variational.")
    drawn = torch.tensor(noise.normals(7, WIDTH, setting("variational.seed", 11)), dtype=torch.float64)
    decode = lambda z: linear2(F.gelu(linear1(z)))
    mean, log_variance = head["mean"](x), head["log_variance"](x)
    prediction = decode(mean + (0.5 * log_variance).exp() * drawn)
    for name, tensor in {"noise": drawn, "latent_mean": mean, "latent_log_variance": log_variance, "prediction": prediction,
                         "served": decode(mean)}.items():
        put(f"variational.{name}", tensor)
    weighted = setting("variational.kl_weight", 0.3) * latent_kl(mean, log_variance)
    loss("variational", (prediction * direction).sum(-1).mean() + weighted, x=x, **dict(head.named_parameters()))


for part in (encoder, decoder, cross_divergence, contrastive, softmax_over_items, transformer_decoder, ranking, gru, latent, policy,
             variational):
    draw.seed(f"20230422 {part.__name__}")
    part()
path = pathlib.Path(__file__).with_name("reference.txt")
path.write_text("# PyTorch's numbers, by make_reference.py, which explains them\n" + "\n".join(blocks) + "\n", encoding="utf-8")
