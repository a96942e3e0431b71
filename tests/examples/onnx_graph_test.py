#!/usr/bin/env python3
"""What `cddrec export --what onnx` writes, read and computed here without packages: onnx_graph_test.py CDDREC.

Slow and of those operators alone that the graphs have; onnx_test.py asks ONNX Runtime, where that is installed."""
import math
import struct
import unittest

from exported import exported

TOLERANCE = 1e-5


def fields(data):
    """{number: values} of a protobuf message: whole numbers as int64, float32, or bytes."""
    at, found = 0, {}

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at, value, shift = at + 1, value | (byte & 127) << shift, shift + 7
            if byte < 128:
                return value - (1 << 64) if value >> 63 else value

    while at < len(data):
        number, wire = divmod(varint(), 8)
        if wire == 0:
            value = varint()
        else:
            size = {2: varint, 5: lambda: 4}[wire]()
            value, at = data[at:at + size], at + size
            if wire == 5:
                value = struct.unpack("<f", value)[0]
        found.setdefault(number, []).append(value)
    return found


class tensor:
    """Values of a shape, row by row."""

    def __init__(self, shape, values):
        self.shape, self.values = tuple(shape), list(values)
        assert math.prod(self.shape) == len(self.values), (self.shape, len(self.values))

    def picked(self, shape, axes, begin=0):
        """The tensor of this shape whose axis k goes along our axis axes[k], or stays where that is None."""
        steps = [math.prod(self.shape[k + 1:]) for k in range(len(self.shape))]
        places = [begin]
        for size, axis in zip(shape, axes):
            step = 0 if axis is None else steps[axis]
            places = [place + k * step for place in places for k in range(size)]
        return tensor(shape, [self.values[place] for place in places])

    def stretched(self, shape):
        first = len(shape) - len(self.shape)
        return self.picked(shape, [None if k < first or self.shape[k - first] == 1 else k - first for k in range(len(shape))])

    def rows(self):
        width = self.shape[-1]
        return [self.values[k:k + width] for k in range(0, len(self.values), width)]


def common(*shapes):
    longest = max(map(len, shapes))
    columns = zip(*((1,) * (longest - len(s)) + tuple(s) for s in shapes))
    return tuple(next((n for n in sizes if n != 1), 1) for sizes in columns)


def by_value(f):
    def made(_, *inputs):
        shape = common(*(x.shape for x in inputs))
        return tensor(shape, map(f, *(x.stretched(shape).values for x in inputs)))
    return made


def by_row(f):
    def made(attributes, x, *more):
        assert attributes.get("axis", -1) == -1
        return tensor(x.shape, [v for row in x.rows() for v in f(attributes, row, *(m.values for m in more))])
    return made


def layer_norm(attributes, row, weight, bias):
    mean = sum(row) / len(row)
    deviation = math.sqrt(sum((v - mean) ** 2 for v in row) / len(row) + attributes["epsilon"])
    return [(v - mean) / deviation * w + b for v, w, b in zip(row, weight, bias)]


def softmax(_, row):
    powers = [math.exp(v - max(row)) for v in row]
    return [p / sum(powers) for p in powers]


def matmul(_, a, b):
    batch = common(a.shape[:-2], b.shape[:-2])
    n, depth, m = a.shape[-2], a.shape[-1], b.shape[-1]
    assert depth == b.shape[-2]
    left, right = a.stretched((*batch, n, depth)).rows(), b.stretched((*batch, depth, m)).rows()
    out = []
    for i, row in enumerate(left):
        block = right[i // n * depth:(i // n + 1) * depth]
        out += [sum(x * y[j] for x, y in zip(row, block)) for j in range(m)]
    return tensor((*batch, n, m), out)


def sliced(_, x, starts, ends, axes, steps=None):
    assert steps is None and len(axes.values) == 1
    axis = axes.values[0] % len(x.shape)
    size = x.shape[axis]
    begin, end = (min(max(v + size if v < 0 else v, 0), size) for v in (starts.values[0], ends.values[0]))
    shape = (*x.shape[:axis], end - begin, *x.shape[axis + 1:])
    return x.picked(shape, range(len(shape)), begin * math.prod(x.shape[axis + 1:]))


def reshape(_, x, wanted):
    shape = [x.shape[k] if n == 0 else n for k, n in enumerate(wanted.values)]
    return tensor(shape, x.values)


def transposed(attributes, x):
    order = attributes.get("perm", range(len(x.shape))[::-1])
    return x.picked([x.shape[k] for k in order], order)


def squeezed(_, x, axes=None):
    gone = range(len(x.shape)) if axes is None else axes.values
    assert all(x.shape[k] == 1 for k in gone)
    return tensor([n for k, n in enumerate(x.shape) if k not in gone], x.values)


def unsqueezed(_, x, axes):
    shape = list(x.shape)
    for axis in sorted(axes.values):
        shape.insert(axis, 1)
    return tensor(shape, x.values)


def scattered(attributes, x, places, updates):
    assert attributes == {"axis": 1, "reduction": "min"} and places.shape == updates.shape
    rows = [list(row) for row in x.rows()]
    for row, at, values in zip(rows, places.rows(), updates.rows()):
        for place, value in zip(at, values):
            row[place] = min(row[place], value)
    return tensor(x.shape, [v for row in rows for v in row])


def top_k(_, x, k):
    best = [sorted(range(len(row)), key=lambda i: (-row[i], i))[:k.values[0]] for row in x.rows()]
    shape = (*x.shape[:-1], k.values[0])
    return tensor(shape, [row[i] for row, at in zip(x.rows(), best) for i in at]), tensor(shape, [i for at in best for i in at])


def shape_of(attributes, x):
    shape = x.shape[attributes.get("start", 0):attributes.get("end")]
    return tensor([len(shape)], shape)


def gather(_, x, places):
    rows = x.rows()
    return tensor((*places.shape, x.shape[1]), [v for place in places.values for v in rows[place]])


def length(_, x, axes):
    assert axes.values == [-1]
    return tensor((*x.shape[:-1], 1), [math.sqrt(sum(v * v for v in row)) for row in x.rows()])


OPERATORS = {
    "Add": by_value(lambda a, b: a + b), "Mul": by_value(lambda a, b: a * b), "Div": by_value(lambda a, b: a / b), "Max": by_value(max),
    "Less": by_value(lambda a, b: a < b), "Equal": by_value(lambda a, b: a == b), "Or": by_value(lambda a, b: a or b),
    "Where": by_value(lambda c, a, b: a if c else b), "Neg": by_value(lambda a: -a), "Erf": by_value(math.erf),
    "Range": lambda _, a, b, c: (lambda r: tensor([len(r)], r))(range(a.values[0], b.values[0], c.values[0])),
    "Expand": lambda _, x, shape: x.stretched(common(x.shape, shape.values)), "LayerNormalization": by_row(layer_norm),
    "Softmax": by_row(softmax), "MatMul": matmul, "Slice": sliced, "Reshape": reshape, "Transpose": transposed, "Squeeze": squeezed,
    "Unsqueeze": unsqueezed, "ScatterElements": scattered, "TopK": top_k, "Shape": shape_of, "Gather": gather, "ReduceL2": length}


class model:
    def __init__(self, path):
        whole = fields(path.read_bytes())
        graph = fields(whole[7][0])
        self.metadata = {f[1][0].decode(): f[2][0].decode() for f in map(fields, whole[14])}
        self.constants = {}
        for f in map(fields, graph[5]):
            kind = {1: "f", 7: "q"}[f[2][0]]
            shape = f.get(1, [])
            self.constants[f[8][0].decode()] = tensor(shape, struct.unpack(f"<{math.prod(shape)}{kind}", f[9][0]))
        value = lambda f: {1: lambda: f[2][0], 2: lambda: f[3][0], 3: lambda: f[4][0].decode(), 7: lambda: f[8]}[f[20][0]]()
        texts = lambda f, number: [t.decode() for t in f.get(number, [])]
        self.nodes = [(f[4][0].decode(), texts(f, 1), texts(f, 2), {a[1][0].decode(): value(a) for a in map(fields, f.get(5, []))})
                      for f in map(fields, graph[1])]
        self.inputs, self.outputs = ([fields(f)[1][0].decode() for f in graph[number]] for number in (11, 12))

    def __call__(self, **inputs):
        assert sorted(inputs) == sorted(self.inputs)
        known = {**self.constants, **inputs}
        for operator, names, made, attributes in self.nodes:
            result = OPERATORS[operator](attributes, *(known[name] for name in names))
            assert not known.keys() & set(made)
            known.update(zip(made, result if isinstance(result, tuple) else (result,)))
        return [known[name] for name in self.outputs]


class graph(exported, unittest.TestCase):
    USERS, ITEMS = 60, 24
    # Of one item, with one twice, and longer than is read.
    HISTORIES = [["i7"], ["i3", "i11", "i3"], [f"i{k}" for k in (2, 5, 9, 14, 1, 8, 20)]]
    SETTINGS = ("width=8", "heads=2", "epochs=8", "max_length=5", "learning_rate=0.05")

    def compare(self, path, lists):
        ours = model(path)
        self.assertEqual(ours.outputs, ["scores", "top_scores", "top_items"])
        names = ours.metadata["items"].split("\n")
        longest = max(map(len, self.HISTORIES))
        tokens = [[-1] * (longest - len(h)) + [names.index(i) for i in h] for h in self.HISTORIES]
        scores, top_scores, top_items = ours(tokens=tensor((3, longest), sum(tokens, [])), k=tensor([1], [self.ITEMS]))
        self.assertEqual((scores.shape, top_items.shape), ((3, self.ITEMS), (3, self.ITEMS)))
        for u, expected in enumerate(lists):
            for place, best in enumerate(expected):
                self.assertAlmostEqual(scores.rows()[u][names.index(best["item"])], best["score"], delta=TOLERANCE)
                self.assertAlmostEqual(top_scores.rows()[u][place], best["score"], delta=TOLERANCE)
            self.assertEqual(set(top_scores.rows()[u][len(expected):]), {-math.inf})
            self.assertEqual({names[i] for i in top_items.rows()[u][len(expected):]}, set(self.HISTORIES[u]))
        # Alone and without padding, and the three best only.
        alone, _, three = ours(tokens=tensor((1, 3), tokens[1][-3:]), k=tensor([1], [3]))
        for got, expected in zip(alone.values, scores.rows()[1]):
            self.assertAlmostEqual(got, expected, delta=TOLERANCE)
        self.assertEqual(three.values, top_items.rows()[1][:3])
        self.assertGreater(max(scores.values) - min(scores.values), 1000 * TOLERANCE)


if __name__ == "__main__":
    unittest.main()
