#!/usr/bin/env python3
"""The same training step as cddrec's in the best PyTorch its authors could write: packed rows, running sums for the decoder, one
step's graph at a time, InfoNCE whose backward is one product with a kept matrix. Prints the time of its matrix products beside it."""
import math

# First: it sets the number of threads, which PyTorch's BLAS reads when it is loaded.
from batch import HEADS, LAMBDA, LENGTH, STEPS, TEMPERATURE, WIDTH, batch, divergence, given, report, schedule

import torch
from torch import nn
from torch.nn import functional as F

HEAD = WIDTH // HEADS


class info_nce(torch.autograd.Function):
    """Mean over the rows of z = [a; b], made unit rows, of log sum_{j != i} exp(z_i . z_j / t) - z_i . z_pos / t."""

    @staticmethod
    def forward(context, x, e, outer):
        """e and outer are [2N, 2N] to work in: fresh ones would cost more in page faults than the arithmetic."""
        n = len(x) // 2
        inverse = x.square().sum(1, keepdim=True).clamp_min_(1e-24).rsqrt_()
        z = x * inverse
        scaled = z * TEMPERATURE ** -0.5  # scores are at most 2: no shift is needed
        torch.mm(scaled, scaled.T, out=e).exp_().fill_diagonal_(0)
        sums = e.sum(1)
        context.save_for_backward(z, inverse, sums)
        context.e, context.outer = e, outer
        return (sums.log().sum() - 2 * (z[:n] * z[n:]).sum() / TEMPERATURE) / len(z)

    @staticmethod
    def backward(context, upstream):
        (z, inverse, sums), e = context.saved_tensors, context.e
        n, g = len(z) // 2, float(upstream) / (TEMPERATURE * len(z))
        weight = g / sums
        torch.add(weight[:, None], weight, out=context.outer)
        dz = torch.mm(e.mul_(context.outer), z)  # e is not needed again
        dz[:n].sub_(z[n:], alpha=2 * g)
        dz[n:].sub_(z[:n], alpha=2 * g)
        along = (dz * z).sum(1, keepdim=True)
        return dz.addcmul_(z, along, value=-1).mul_(inverse), None, None


class running_sums(torch.autograd.Function):
    """Sums along each sequence, in place. Rows lie by position and within it by falling length of their sequences, so that the rows
    of a position meet their predecessors as one block: `blocks` has (row before, row, how many) for all positions but the first."""

    @staticmethod
    def forward(context, x, blocks):
        context.mark_dirty(x)
        context.blocks = blocks
        for before, begin, count in blocks:
            x[begin:begin + count].add_(x[before:before + count])
        return x

    @staticmethod
    def backward(context, upstream):
        dx = upstream.clone()
        for before, begin, count in reversed(context.blocks):
            dx[before:before + count].add_(dx[begin:begin + count])
        return dx, None


class squared_distances(torch.autograd.Function):
    """|mean - scale x|^2, row by row."""

    @staticmethod
    def forward(context, mean, x, scale):
        apart = torch.add(mean, x, alpha=-scale)
        context.save_for_backward(apart)
        context.scale = scale
        return apart.square().sum(1)

    @staticmethod
    def backward(context, upstream):
        (apart,) = context.saved_tensors
        dmean = apart * (2 * upstream)[:, None]
        return dmean, dmean * -context.scale, None


class network(nn.Module):
    def __init__(self, items, rows, lengths):
        """rows: (view, user, position) of every row; lengths[view][user]."""
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
        # Only self-attention is laid out by sequence, aligned to the start; place[i] is row i's cell.
        self.longest, self.sequences = max(map(max, lengths)), sum(map(len, lengths))
        self.sequence = torch.tensor([view * len(lengths[0]) + user for view, user, _ in rows])
        self.place = self.sequence * self.longest + torch.tensor([position for _, _, position in rows])
        self.positions = torch.tensor([LENGTH - lengths[view][user] + position for view, user, position in rows])
        self.future = torch.full((self.longest, self.longest), float("-inf")).triu(1)
        self.blocks, begin = [], 0
        for view in lengths:
            for position in range(1, max(view)):
                before, count = (sum(n > p for n in view) for p in (position - 1, position))
                self.blocks.append((begin, begin + before, count))
                begin += before
            begin += sum(n == max(view) for n in view)

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

    def weights(self, k):
        """exp(q . k) of every step's query and the inverse of its running sums, [rows, heads, 1] each."""
        queries = self.query(self.step).view(STEPS, HEADS, HEAD)
        scores = torch.einsum("nhd,thd->nth", k.view(-1, HEADS, HEAD), queries).reshape(-1, STEPS * HEADS) / math.sqrt(HEAD)
        shift = self.laid_out(scores.detach()).amax(1)[self.sequence]
        weights = (scores - shift).exp()
        inverse = running_sums.apply(weights.clone(), self.blocks).reciprocal()
        return [m.view(-1, STEPS, HEADS, 1).unbind(1) for m in (weights, inverse)]

    def predict(self, weight, inverse, v):
        """Running means of v [rows, heads, head] under the weights, each dropped with a fifth's chance."""
        return (running_sums.apply(F.dropout(weight, 0.2) * v, self.blocks) * inverse).view(-1, WIDTH)


def main():
    items, views = batch(given.log)
    lengths = [[len(inputs) for inputs, _ in view] for view in views]
    rows = [(view, user, position) for view in (0, 1) for position in range(max(lengths[view]))
            for user in sorted(range(len(lengths[view])), key=lambda u: -lengths[view][u]) if position < lengths[view][user]]
    number = {row: i for i, row in enumerate(rows)}
    inputs, targets = (torch.tensor([views[view][user][which][position] for view, user, position in rows]) for which in (0, 1))
    n = sum(lengths[0])
    # The k-th newest row of one view with the k-th newest of the other.
    pairs = [(number[0, user, a - k], number[1, user, b - k])
             for user, (a, b) in enumerate(zip(*lengths)) for k in range(1, 1 + min(a, b))]
    paired = torch.tensor(pairs).T.reshape(-1)
    net = network(items, rows, lengths)
    adam = torch.optim.Adam(net.parameters(), lr=1e-3)
    steps = schedule()
    square = lambda side: torch.empty(side, side)
    main_scores, main_outer, pair_scores, pair_outer = square(2 * n), square(2 * n), square(2 * len(pairs)), square(2 * len(pairs))

    def step():
        adam.zero_grad(set_to_none=True)
        k, v = net.kv(net.encode(inputs)).split(WIDTH, 1)
        weights, inverses = net.weights(k)
        negatives = torch.randint(items, targets.shape)
        upstream = [v.reshape(-1, HEADS, HEAD), net.item[targets], net.item[negatives], *weights, *inverses]
        leaves = [x.detach().requires_grad_() for x in upstream]
        v_, x0, negative = leaves[:3]
        total = 0.0
        for t, constants in enumerate(steps):
            mean = net.predict(leaves[3 + t], leaves[3 + STEPS + t], v_)
            positive = divergence(squared_distances.apply(mean, x0, constants[0]), constants)
            other = divergence(squared_distances.apply(mean, negative, constants[0]), constants)
            cross = F.softplus(positive) + F.softplus(-other)
            sampled = torch.add(mean, torch.randn_like(mean), alpha=constants[2] ** 0.5)
            x_t = torch.randn(n, WIDTH).mul_(constants[1] ** 0.5).add(x0[:n], alpha=constants[0])
            in_view = info_nce.apply(torch.cat([sampled[:n], x_t]), main_scores, main_outer)
            cross_view = info_nce.apply(sampled.index_select(0, paired), pair_scores, pair_outer)
            loss = (cross[:n].mean() + cross[n:].mean() + LAMBDA * (in_view + cross_view)) / (t + 1)
            loss.backward()
            total += loss.item()
        torch.autograd.backward(upstream, [leaf.grad for leaf in leaves])
        adam.step()
        return total

    # The step's matrix products alone, on matrices of their shapes: a layer's three forms, and InfoNCE's two for every step.
    M, d = len(targets), WIDTH
    layers = [(torch.randn(M, a), torch.randn(b, a), torch.randn(M, b)) for a, b in ((d, 3 * d), (d, d), (d, 4 * d), (4 * d, d), (d, 2 * d))]
    contrasts = [(torch.randn(len(e), d), e) for e in (main_scores, pair_scores)]

    def products():
        for x, weight, y in layers:
            x @ weight.T, y @ weight, y.T @ x
        for _ in range(STEPS):
            for z, e in contrasts:
                torch.mm(z, z.T, out=e)
                torch.mm(e, z)

    report("best", step, products)


if __name__ == "__main__":
    main()
