#!/usr/bin/env python3
"""`cddrec recommend --json` in PyTorch: reads a cddrec checkpoint and prints the same lists, to check one by the other or to start from.
   recommend.py --model DIR --input FILE [--top K]       FILE: histories, one a line, oldest first
"""
import argparse
import json

import network


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument("--input", required=True)
    parser.add_argument("--top", type=int, default=10)
    options = parser.parse_args()
    net, items = network.from_checkpoint(options.model)
    number = {name: i for i, name in enumerate(items)}
    with open(options.input, encoding="utf-8") as file:
        histories = [[number[name] for name in line.split() if name in number] for line in file]
    for begin in range(0, len(histories), 256):
        some = histories[begin:begin + 256]
        known = [h for h in some if h]
        scores = iter(net.recommend_scores(known)) if known else iter(())
        for history in some:
            best = []
            if history:
                own = next(scores)
                own[history] = float("-inf")
                best = own.topk(min(options.top, len(items) - len(set(history))))
                best = [{"item": items[i], "score": s} for s, i in zip(best.values.tolist(), best.indices.tolist())]
            print(json.dumps({"recommendations": best}))


if __name__ == "__main__":
    main()
