"""The library's normal numbers once more, in plain Python and double precision; see core/random.hpp."""
import math


def philox(counter, key):
    """One block of Philox4x32-10 (Salmon et al., SC 2011)."""
    for r in range(10):
        a, b = 0xD2511F53 * counter[0], 0xCD9E8D57 * counter[2]
        k, l = (key[0] + r * 0x9E3779B9) % 2**32, (key[1] + r * 0xBB67AE85) % 2**32
        counter = (b >> 32) ^ counter[1] ^ k, b % 2**32, (a >> 32) ^ counter[3] ^ l, a % 2**32
    return counter


def normals(rows, cols, seed):
    """What a Gaussian's draw of so many rows adds with core::random(seed).child(0): Box-Muller, a block of 64 elements for every row."""
    assert cols <= 16  # a block's first 16 elements are cosines alone; element i is from the block's counter i
    key = philox((0, 0, 0, 1), (seed % 2**32, seed >> 32))[:2]

    def normal(row, col):
        radius, angle = (word >> 8 for word in philox((16 * row + col, 0, 0, 0), key)[:2])
        return math.sqrt(-2 * math.log((radius + 1) / 2**24)) * math.cos(2 * math.pi * angle / 2**24)

    return [[normal(row, col) for col in range(cols)] for row in range(rows)]
