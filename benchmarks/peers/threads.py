"""How many threads PyTorch takes. Call before torch is imported: a BLAS reads its number when it is loaded."""
import os


def use(count):
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(count)
    # PyTorch's threads and those of its BLAS would otherwise spin while the others wait for the processors.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
