#!/usr/bin/env python3
"""The same training step as cddrec's in the best PyTorch its authors could write: packed rows, running sums for the decoder, one
step's graph at a time, InfoNCE whose backward is one product with a kept matrix. Prints the time of its matrix products beside it."""
import math
import time

# First: it sets the number of threads, which PyTorch's BLAS reads when it is loaded.
from batch import HEADS, LAMBDA, LENGTH, STEPS, TEMPERATURE, WIDTH, batch, divergence, given, report, schedule

import torch
from torch import nn
from torch.nn import functional as F

HEAD = WIDTH // HEADS


class info_nce(torch.autograd.Function):
    """Mean over the rows of z = [a; b], unit rows, of log sum_{j != i} exp(z_i . z_j / t) - z_i . z_pos / t."""

    @staticmethod
    def forward(context, z, e, outer):
        """e and outer are [2N, 2N] to work in: fresh ones would cost more in page faults than the arithmetic."""
        n = len(z) // 2
        scaled = z * TEMPERATURE ** -0.5  # scores are at most 2: no shift is needed
        torch.mm(scaled, scaled.T, out=e).exp_().fill_diagonal_(0)
        context.outer = outer
        sums = e.sum(1)
        context.save_for_backward(z, sums)
        context.e = e
        return (sums.log().sum() - 2 * (z[:n] * z[n:]).sum() / TEMPERATURE) / len(z)

    @staticmethod
    def backward(context, upstream):
        (z, sums), e = context.saved_tensors, context.e
        n, g = len(z) // 2, upstream / (TEMPERATURE * len(z))
        weight = g / sums
        torch.add(weight[:, None], weight, out=context.outer)
        dz = torch.mm(e.mul_(context.outer), z)  # e is not needed again
        dz[:n].sub_(2 * g * z[n:])
        dz[n:].sub_(2 * g * z[:n])
        return dz, None, None


class network(nn.Module):
    def __init__(self, items, lengths):
        super().__init__()
        self.item, self.position = nn.Parameter(torch.empty(items + 1, WIDTH)), nn.Parameter(torch.empty(LENGTH, WIDTH))
        self.step = nn.Parameter(torch.empty(STEPS, WIDTH))
        self.norm, self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.up, self.down = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)
        self.query, self.kv = nn.Linear(WIDTH, WIDTH, bias=False), nn.Linear(WIDTH, 2 * WIDTH, bias=False)
        for p in self.parameters():
            if p.dim() > 1:
                nn.init.normal_(p, std=0.02)
        # Only attention and the running sums are laid out by sequence, aligned to the start; place[i] is row i's cell.
        self.longest, self.sequences = max(lengths), len(lengths)
        self.place = torch.cat([torch.arange(n) + s * self.longest for s, n in enumerate(lengths)])
        self.positions = torch.cat([torch.arange(LENGTH - n, LENGTH) for n in lengths])
        self.future = torch.full((self.longest, self.longest), float("-inf")).triu(1)

    def laid_out(self, rows):
        cells = rows.new_zeros(self.sequences * self.longest, rows.shape[1])
        return cells.index_copy(0, self.place, rows).view(self.sequences, self.longest, -1)

    def encode(self, inputs):
        x = self.norm(self.item[inputs] + self.position[self.positions])
        q, k, v = (self.laid_out(m).view(self.sequences, self.longest, HEADS, HEAD).transpose(1, 2)
                   for m in self.qkv(x).split(WIDTH, 1))
        weights = (torch.matmul(q, k.transpose(2, 3)) / math.sqrt(HEAD) + self.future).softmax(-1)
        attended = torch.matmul(F.dropout(weights, 0.2), v).transpose(1, 2).reshape(-1, WIDTH)[self.place]
        x = self.norm1(x + self.out(attended))
        return self.norm2(x + self.down(F.gelu(self.up(x))))

    def predict(self, query, k, v):
        """Running means of v under exp(q . k): k [S, L, H, D], v [S, L, H, D]."""
        scores = (k * query.view(HEADS, HEAD)).sum(-1, keepdim=True) / math.sqrt(HEAD)
        weights = (scores - scores.amax(1, keepdim=True).detach()).exp()
        numerator = (F.dropout(weights, 0.2) * v).cumsum(1)
        return (numerator / weights.cumsum(1)).view(-1, WIDTH)[self.place]


def main():
    items, views = batch(given.log)
    rows = lambda which: torch.tensor([i for view in views for user in view for i in user[which]])
    inputs, targets = rows(0), rows(1)
    lengths = [len(user[0]) for view in views for user in view]
    n = sum(lengths[:len(views[0])])
    # The k-th newest row of one view with the k-th newest of the other.
    starts = torch.tensor([0] + lengths).cumsum(0).tolist()
    pairs = [(starts[u + 1] - k, starts[len(views[0]) + u + 1] - k)
             for u in range(len(views[0])) for k in range(1, 1 + min(lengths[u], lengths[len(views[0]) + u]))]
    paired_main, paired_other = (torch.tensor(p) for p in zip(*pairs))
    net = network(items, lengths)
    adam = torch.optim.Adam(net.parameters(), lr=1e-3)
    steps = schedule()
    unit = lambda x: F.normalize(x, dim=-1)
    square = lambda rows: torch.empty(rows, rows)
    main_scores, main_outer, pair_scores, pair_outer = square(2 * n), square(2 * n), square(2 * len(pairs)), square(2 * len(pairs))

    def step():
        adam.zero_grad(set_to_none=True)
        encoded = net.encode(inputs)
        k, v = (net.laid_out(m).view(net.sequences, net.longest, HEADS, HEAD) for m in net.kv(encoded).split(WIDTH, 1))
        queries = net.query(net.step)
        negatives = torch.randint(items, targets.shape)
        upstream = [queries, k, v, net.item[targets], net.item[negatives]]
        leaves = [x.detach().requires_grad_() for x in upstream]
        q_, k_, v_, x0, negative = leaves
        total = 0.0
        for t, constants in enumerate(steps):
            mean = net.predict(q_[t], k_, v_)
            positive = divergence((constants[0] * x0 - mean).square().sum(-1), constants)
            other = divergence((constants[0] * negative - mean).square().sum(-1), constants)
            cross = F.softplus(positive) + F.softplus(-other)
            sampled = torch.randn_like(mean).mul_(constants[2] ** 0.5).add(mean)
            x_t = constants[0] * x0[:n] + constants[1] ** 0.5 * torch.randn(n, WIDTH)
            in_view = info_nce.apply(unit(torch.cat([sampled[:n], x_t])), main_scores, main_outer)
            cross_view = info_nce.apply(unit(torch.cat([sampled[paired_main], sampled[paired_other]])), pair_scores, pair_outer)
            loss = (cross[:n].mean() + cross[n:].mean() + LAMBDA * (in_view + cross_view)) / (t + 1)
            loss.backward()
            total += float(loss)
        torch.autograd.backward(upstream, [leaf.grad for leaf in leaves])
        adam.step()
        return total

    def products():
        """Seconds of the step's matrix products alone, on matrices of their shapes."""
        def one(m, k, n, count):
            a, b = torch.randn(m, k), torch.randn(k, n)
            torch.mm(a, b)
            times = []
            for _ in range(5):
                begin = time.perf_counter()
                torch.mm(a, b)
                times.append(time.perf_counter() - begin)
            return count * sorted(times)[2]
        M, r, d = len(targets), 2 * n, WIDTH
        p = 2 * len(pairs)
        total = STEPS * (one(r, d, r, 1) + one(r, r, d, 1) + one(p, d, p, 1) + one(p, p, d, 1))
        for k, width in ((d, 3 * d), (d, d), (d, 4 * d), (4 * d, d), (d, 2 * d)):
            total += one(M, k, width, 1) + one(M, width, k, 1) + one(k, M, width, 1)
        return total

    report("best", step, products_ms=round(1e3 * products(), 1))


if __name__ == "__main__":
    main()
