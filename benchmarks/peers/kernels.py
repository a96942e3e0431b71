#!/usr/bin/env python3
"""Single kernels of cddrec_benchmarks in PyTorch, as one would write them there: same shapes, forward and backward, timed alike.
Prints one JSON object a kernel."""
import argparse
import json
import math
import statistics
import time

import threads

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--repetitions", type=int, default=7)
given = parser.parse_args()
threads.use(given.threads)

import torch  # noqa: E402
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

torch.set_num_threads(given.threads)
torch.manual_seed(1)
WIDTH, ITEMS = 128, 12101


def measure(kernel, work, repetitions=given.repetitions):
    """Milliseconds of `work`, after a run that warms up: as often as asked, and for half a second at least."""
    work()
    times = []
    while len(times) < repetitions or sum(times) < 500:
        begin = time.perf_counter()
        work()
        times.append(1e3 * (time.perf_counter() - begin))
    print(json.dumps({"kernel": kernel, "torch": torch.__version__, "threads": given.threads, "ms": round(statistics.median(times), 4),
                      "fastest_ms": round(min(times), 4), "p99_ms": round(sorted(times)[int(0.99 * len(times))], 4)}), flush=True)


def both_ways(function, *inputs):
    """One forward and one backward pass."""
    def work():
        for x in inputs:
            x.grad = None
        function(*inputs).sum().backward()
    return work


def normal(*shape, scale=1.0):
    return (scale * torch.randn(*shape)).requires_grad_()


def unit(*shape):
    return F.normalize(torch.randn(*shape), dim=-1).requires_grad_()


def lengths(rows):
    """The law that the benchmarks' sequences are drawn by."""
    drawn = []
    while sum(drawn) < rows:
        drawn.append(min(rows - sum(drawn), 20, 2 + int(5 * ((1 - float(torch.rand(()))) ** -0.5 - 1))))
    return drawn


def attention(heads):
    """Causal self-attention of 2,000 rows, padded to 20: of the ways that this version has, the fastest."""
    sequences = len(lengths(2000))
    q, k, v = (normal(sequences, heads, 20, WIDTH // heads) for _ in range(3))
    future = torch.full((20, 20), float("-inf")).triu(1)
    written_out = lambda q, k, v: (q @ k.transpose(2, 3) / math.sqrt(WIDTH // heads) + future).softmax(-1) @ v
    ways = [written_out]
    if hasattr(F, "scaled_dot_product_attention"):
        ways.append(lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True))

    def seconds(way):
        work = both_ways(way, q, k, v)
        work()
        begin = time.perf_counter()
        work()
        return time.perf_counter() - begin
    return both_ways(min(ways, key=seconds), q, k, v)


def info_nce(pairs):
    a, b = unit(pairs, WIDTH), unit(pairs, WIDTH)
    positive = torch.cat([torch.arange(pairs, 2 * pairs), torch.arange(pairs)])

    def loss(a, b):
        z = torch.cat([a, b])
        return F.cross_entropy((z @ z.T / 0.5).fill_diagonal_(float("-inf")), positive)
    return both_ways(loss, a, b)


def softmax_over_items(items, rows=1000, chunk=1000):
    """Chunks of rows where all scores at once would not fit."""
    x, table, targets = unit(rows, WIDTH), unit(items, WIDTH), torch.randint(items, (rows,))

    def work():
        x.grad = table.grad = None
        for first in range(0, rows, chunk):
            part = slice(first, first + chunk)
            F.cross_entropy(x[part] @ table.T / 0.1, targets[part], reduction="sum").backward()
    return work


def rank(way, users=4905, batch=256):
    """The ten best unseen items, or, which is less work and what a rank needs, how many have a higher score than the target."""
    queries, table, history = unit(users, WIDTH).detach(), unit(ITEMS, WIDTH).detach(), torch.randint(ITEMS, (users, 10))
    targets = torch.randint(ITEMS, (users, 1))

    def work():
        for first in range(0, users, batch):
            part = slice(first, first + batch)
            scores = queries[part] @ table.T
            own = scores.gather(1, targets[part])
            scores.scatter_(1, history[part], float("-inf"))
            scores.topk(10) if way == "topk" else (scores > own).sum(1)
    return work


class recommender(nn.Module):
    """What `recommend` runs for one user: encoder layer, decoder step with residual and feed-forward, scores, the ten best."""

    def __init__(self):
        super().__init__()
        self.item, self.position, self.step = nn.Embedding(ITEMS, WIDTH), nn.Embedding(20, WIDTH), nn.Parameter(torch.randn(1, WIDTH))
        self.norm = nn.LayerNorm(WIDTH)
        self.encoder = nn.TransformerEncoderLayer(WIDTH, 4, 4 * WIDTH, 0.0, "gelu", batch_first=True)
        self.attention = nn.MultiheadAttention(WIDTH, 4, batch_first=True)
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.up, self.down = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)
        self.register_buffer("unit", F.normalize(self.item.weight.detach(), dim=-1))

    def forward(self, history):
        n = history.shape[1]
        future = torch.full((n, n), float("-inf")).triu(1)
        encoded = self.encoder(self.norm(self.item(history) + self.position.weight[-n:]), src_mask=future)
        h = self.attention(self.step[None], encoded, encoded, need_weights=False)[0]
        h = self.norm1(encoded[:, -1:] + h)
        h = self.norm2(h + self.down(F.gelu(self.up(h))))
        scores = F.normalize(h[:, -1], dim=-1) @ self.unit.T
        return scores.scatter_(1, history, float("-inf")).topk(10)


def recommend():
    net, history = recommender().eval(), torch.randint(ITEMS, (1, 8))

    def work():
        with torch.inference_mode():
            net(history)
    return work


def cross_attention(length=200, sequences=4, steps=20):
    """Dense and masked: every position asks with the step's query."""
    heads = 4
    q, k, v = normal(1, heads, 1, WIDTH // heads), normal(sequences, heads, length, WIDTH // heads), normal(sequences, heads, length, WIDTH // heads)
    future = torch.full((length, length), float("-inf")).triu(1)
    step = both_ways(lambda q, k, v: (q @ k.transpose(2, 3) / math.sqrt(WIDTH // heads) + future).softmax(-1) @ v, q, k, v)
    return lambda: [step() for _ in range(steps)]


for heads in (1, 2, 4):
    measure(f"attention/heads:{heads}", attention(heads))
for pairs in (850, 2000):
    measure(f"info_nce/N:{pairs}", info_nce(pairs))
measure(f"softmax_over_items/V:{ITEMS}", softmax_over_items(ITEMS))
if given.threads > 1:  # a minute
    measure("softmax_over_items/V:1000000", softmax_over_items(1_000_000, chunk=250), 2)
for way in ("topk", "count"):
    measure(f"rank/{way}", rank(way))
measure("recommend", recommend(), 500)
measure("cross_attention/length:200", cross_attention())
norm, gelu = nn.LayerNorm(WIDTH), nn.GELU()
measure("layer_norm/N:20000", both_ways(norm, normal(20000, WIDTH)))
measure("gelu/N:50000", both_ways(gelu, normal(50000, 512)))
