#!/usr/bin/env python3
"""Trains a network in PyTorch on a log and writes a checkpoint that `cddrec recommend` and `cddrec evaluate` read.
   train.py --data FILE --output DIR [--model cddrec|sasrec] [--epochs N] …       FILE: a line a user, `user item item …`, oldest first
What it minimises is the softmax over all items of the next one's score, at a step drawn anew for every batch: short, not the whole objective
that `cddrec train` has. The last two items of every user are left to validation and test.
"""
import argparse
import pathlib

import checkpoint
import network
import torch
from torch.nn import functional as F


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--output", required=True)
    parser.add_argument("--model", choices=["cddrec", "sasrec"], default="cddrec")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("--heads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    torch.manual_seed(options.seed)

    items, users = {}, []
    for line in pathlib.Path(options.data).read_text(encoding="utf-8").splitlines():
        users.append([items.setdefault(name, len(items)) for name in line.split()[1:]])
    training = [u[:-2] for u in users if len(u) > 3]

    settings = dict(width=options.width, layers=1, heads=options.heads, max_length=20, dropout=0.2, attention_dropout=0.2, steps=20,
                    decoder_layers=1, decoder_feed_forward=4, residual=True, feed_forward=True, score="cosine", denoiser="cross_decoder",
                    objective="softmax", seed=options.seed)
    net = network.Recommender(options.model, len(items), settings)
    optimiser = torch.optim.Adam(net.parameters(), lr=2e-3)
    for epoch in range(1, options.epochs + 1):
        order, total = torch.randperm(len(training)).tolist(), 0.0
        for begin in range(0, len(order), 128):
            some = [training[u][-settings["max_length"] - 1:] for u in order[begin:begin + 128]]
            tokens, lengths = net.batch([u[:-1] for u in some])
            wanted, _ = net.batch([u[1:] for u in some])
            real = torch.arange(tokens.shape[1]) < lengths.unsqueeze(1)
            step = int(torch.randint(settings["steps"], ())) if options.model == "cddrec" else 0
            loss = F.cross_entropy(net.scores(net(tokens, lengths, step)[real]) / 0.1, wanted[real])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            total += loss.item() * len(some)
        print(f"epoch {epoch}  loss {total / len(training):.4f}", flush=True)
    checkpoint.save(options.output, options.model, settings, net.state_dict(), items)


if __name__ == "__main__":
    main()
