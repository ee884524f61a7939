"""The tile kernels of every family, 100 calls on one tile of 256 samples, 16 features, 16 components."""

from .cases import FAMILIES, TileCase, repeated


class Kernels:
    params = (FAMILIES, ("float64", "float32"))
    param_names = ("family", "dtype")

    def setup(self, family, dtype):
        case = TileCase(family, dtype)
        self.log_prob, self.log_prob_arguments = repeated(case.kernels.log_prob), case.log_prob_arguments()
        self.accumulate, self.accumulate_arguments = repeated(case.kernels.accumulate), case.accumulate_arguments()
        self.log_prob(self.log_prob_arguments)  # compile it before it is timed
        self.accumulate(self.accumulate_arguments)

    def time_log_prob(self, family, dtype):
        self.log_prob(self.log_prob_arguments)

    def time_accumulate(self, family, dtype):
        self.accumulate(self.accumulate_arguments)
