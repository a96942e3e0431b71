"""What both peers share: the batch that cddrec_benchmarks trains on, the schedule, and how a step is timed."""
import argparse
import json
import random
import resource
import statistics
import time

import threads


def arguments():
    parser = argparse.ArgumentParser(description="One training step of the Office preset in PyTorch, timed.")
    parser.add_argument("--log", required=True, help="a line a user: `user item item …`")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repetitions", type=int, default=5)
    given = parser.parse_args()
    threads.use(given.threads)
    return given


given = arguments()
import torch  # noqa: E402

torch.set_num_threads(given.threads)
torch.manual_seed(42)

LENGTH, WIDTH, HEADS, STEPS, USERS = 20, 128, 4, 20, 128  # the Office preset
BETA_FIRST, BETA_LAST, LAMBDA, TEMPERATURE = 1e-4, 0.04, 0.3, 0.5


def read(path):
    """Items numbered as they come, and each user's training sequence: all but the last two items."""
    numbers, sequences = {}, []
    for line in open(path, encoding="utf-8"):
        items = [numbers.setdefault(token, len(numbers)) for token in line.split()[1:]]
        if len(items) >= 4:
            sequences.append(items[:-2])
    return len(numbers), sequences


def augmented(items, mask_item, draw):
    """One of crop (keep 60 %), mask (30 %) and reorder (a window of 60 %): inputs, and the target of each."""
    inputs, targets = items[:-1], items[1:]
    n = len(inputs)
    kind = draw.randrange(3)
    if kind == 0:
        keep = max(1, int(0.6 * n))
        first = draw.randrange(n - keep + 1)
        return inputs[first:first + keep], targets[first:first + keep]
    inputs = list(inputs)
    if kind == 1:
        for i in draw.sample(range(n), int(0.3 * n)):
            inputs[i] = mask_item
    else:
        window = int(0.6 * n)
        first = draw.randrange(n - window + 1)
        part = inputs[first:first + window]
        draw.shuffle(part)
        inputs[first:first + window] = part
    return inputs, targets


def batch(path):
    """(number of items, views): each view is a list of (inputs, targets) of at most 20, of users from all over the log."""
    items, sequences = read(path)
    draw = random.Random(42)
    chosen = [sequences[i * len(sequences) // USERS][-LENGTH - 1:] for i in range(USERS)]
    main = [(s[:-1], s[1:]) for s in chosen]
    return items, (main, [augmented(s, items, draw) for s in chosen])


def schedule():
    """sqrt(alpha_bar), 1 - alpha_bar and the posterior variance of every step."""
    beta = torch.linspace(BETA_FIRST, BETA_LAST, STEPS, dtype=torch.float64)
    alpha_bar = torch.cumprod(1 - beta, 0)
    before = torch.cat([torch.ones(1, dtype=torch.float64), alpha_bar[:-1]])
    posterior = beta * (1 - before) / (1 - alpha_bar)
    posterior[0] = posterior[1]
    return [(float(a.sqrt()), float(1 - a), float(p)) for a, p in zip(alpha_bar, posterior)]


def divergence(distance, scale_and_variances):
    """KL between isotropic Gaussians of WIDTH dimensions, from the squared distance of their means (Eq. 12)."""
    _, v1, v2 = scale_and_variances
    ratio = v1 / v2
    spread = 0.5 * WIDTH * (ratio - 1 - float(torch.log(torch.tensor(ratio, dtype=torch.float64))))
    return distance * (0.5 / v2) + spread


def milliseconds(work, repetitions):
    """Of every run of each of `work`, which take turns so that they meet the same machine, after one run each that warms up."""
    for one in work:
        one()
    times = [[] for _ in work]
    for _ in range(repetitions):
        for one, own in zip(work, times):
            begin = time.perf_counter()
            one()
            own.append(1e3 * (time.perf_counter() - begin))
    return times


def report(name, step, products=None):
    """Times `step`, and beside it the products in it; prints one JSON object."""
    loss = step()
    ms, *of_products = milliseconds([step] + ([products] if products else []), given.repetitions)
    more = {"products_ms": round(statistics.median(of_products[0]), 1), "fastest_products_ms": round(min(of_products[0]), 1)} if products else {}
    print(json.dumps({"peer": name, "torch": torch.__version__, "threads": given.threads, "first_loss": round(loss, 3),
                      "ms": round(statistics.median(ms), 1), "fastest_ms": round(min(ms), 1), **more,
                      "peak_MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}))
