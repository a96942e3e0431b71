#!/usr/bin/env python3
"""The training step as the paper's code takes it: padded to 20, a Transformer decoder layer a step, the graph of all steps kept
until one backward, InfoNCE by random Fourier features. Written anew; the mixing of users over the batch is left out."""
# First: it sets the number of threads, which PyTorch's BLAS reads when it is loaded.
from batch import HEADS, LAMBDA, LENGTH, STEPS, TEMPERATURE, WIDTH, batch, divergence, given, report, schedule

import torch
from torch import nn
from torch.nn import functional as F


def padded(view, padding):
    """[users, 20] inputs and targets, aligned to the end."""
    fill = lambda rows: torch.tensor([[padding] * (LENGTH - len(r)) + list(r) for r in rows])
    return fill([v[0] for v in view]), fill([v[1] for v in view])


class published(nn.Module):
    def __init__(self, items):
        super().__init__()
        self.item = nn.Embedding(items + 2, WIDTH)  # the mask token and padding behind the items
        self.position, self.step = nn.Embedding(LENGTH, WIDTH), nn.Embedding(STEPS, WIDTH)
        self.norm = nn.LayerNorm(WIDTH)
        layer = dict(d_model=WIDTH, nhead=HEADS, dim_feedforward=4 * WIDTH, dropout=0.2, activation="gelu", batch_first=True)
        self.encoder, self.decoder = nn.TransformerEncoderLayer(**layer), nn.TransformerDecoderLayer(**layer)
        for p in self.parameters():
            if p.dim() > 1:
                nn.init.normal_(p, std=0.02)
        self.register_buffer("future", torch.full((LENGTH, LENGTH), float("-inf")).triu(1))
        self.register_buffer("features", torch.randn(WIDTH, 8 * WIDTH) / TEMPERATURE ** 0.5)

    def encode(self, inputs):
        return self.encoder(self.norm(self.item(inputs) + self.position.weight), src_mask=self.future)

    def decode(self, encoded, t):
        memory = self.step.weight[t].expand(len(encoded), 1, WIDTH)
        return self.decoder(encoded, memory, tgt_mask=self.future)

    def info_nce(self, a, b):
        """exp(x . y / t) is the mean product of cosines and sines of random projections, times constants that cancel."""
        z = F.normalize(torch.cat([a, b]), dim=-1)
        projected = z @ self.features
        phi = torch.cat([projected.cos(), projected.sin()], -1) / (8 * WIDTH) ** 0.5
        denominator = (phi @ phi.sum(0)).clamp_min(1e-6).log() + 1 / TEMPERATURE
        n = len(a)
        positive = (z * torch.cat([z[n:], z[:n]])).sum(-1) / TEMPERATURE
        return (denominator - positive).mean()


def main():
    items, views = batch(given.log)
    padding = items + 1
    (main_inputs, main_targets), (other_inputs, other_targets) = (padded(v, padding) for v in views)
    main_there, other_there = main_targets != padding, other_targets != padding
    both = main_there & other_there
    net = published(items)
    adam = torch.optim.Adam(net.parameters(), lr=1e-3)
    steps = schedule()

    def cross_divergence(mean, targets, negatives, there, constants):
        kl = lambda item: divergence((constants[0] * net.item(item) - mean).square().sum(-1), constants)[there]
        return (F.softplus(kl(targets)) + F.softplus(-kl(negatives))).mean()

    def step():
        adam.zero_grad(set_to_none=True)
        main_encoded, other_encoded = net.encode(main_inputs), net.encode(other_inputs)
        negatives = [torch.randint(items, main_targets.shape) for _ in range(2)]
        total = 0
        for t, constants in enumerate(steps):
            mean, other = net.decode(main_encoded, t), net.decode(other_encoded, t)
            sampled = mean + constants[2] ** 0.5 * torch.randn_like(mean)
            sampled_other = other + constants[2] ** 0.5 * torch.randn_like(other)
            x0 = net.item(main_targets)
            x_t = constants[0] * x0 + constants[1] ** 0.5 * torch.randn_like(x0)
            loss = cross_divergence(mean, main_targets, negatives[0], main_there, constants)
            loss = loss + cross_divergence(other, other_targets, negatives[1], other_there, constants)
            loss = loss + LAMBDA * (net.info_nce(sampled[main_there], x_t[main_there]) + net.info_nce(sampled[both], sampled_other[both]))
            total = total + loss / (t + 1)
        total.backward()
        adam.step()
        return total.item()

    report("published", step)


if __name__ == "__main__":
    main()
