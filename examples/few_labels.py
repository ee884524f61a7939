"""When do samples without labels help a classifier? The table of docs/classifier.md, in about a minute.

    python examples/few_labels.py

Three quarters of each data set are for training. So many of each class have their labels, the others have none; the
accuracy is that on the last quarter, its mean over 20 random splits, with the standard error of that mean.
"""

from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

from fastem import MixtureClassifier

DATA = Path(__file__).parents[1] / "tests" / "data"
LABELS, SPLITS = (2, 5, 10, 50), 20


def table(name):
    """The features and the classes of a CSV file of the tests."""
    rows = np.genfromtxt(DATA / f"{name}.csv", delimiter=",", skip_header=1, dtype=str)
    place = 0 if name == "banknote" else rows.shape[1] - 1
    return np.delete(rows, place, axis=1).astype(float), np.unique(rows[:, place], return_inverse=True)[1]


def accuracies(X, y, n_labels, settings, seed):
    """The accuracy without and with the samples that have no label; None if a class has too few samples."""
    rng = np.random.default_rng(seed)
    named, rest, test = [], [], []
    for label in np.unique(y):
        rows = rng.permutation(np.flatnonzero(y == label))
        n_train = 3 * len(rows) // 4
        if n_labels > n_train:
            return None
        named.extend(rows[:n_labels])
        rest.extend(rows[n_labels:n_train])
        test.extend(rows[n_train:])
    train, labels = np.array(named + rest), y.copy()
    labels[rest] = -1
    alone = MixtureClassifier(random_state=seed, **settings).fit(X[named], y[named])
    both = MixtureClassifier(random_state=seed, **settings).fit(X[train], labels[train])
    return alone.score(X[test], y[test]), both.score(X[test], y[test])


def main():
    """Print the table as Markdown."""
    import warnings

    warnings.simplefilter("ignore")
    cases = {
        "iris, tied": (*table("iris"), {"covariance_type": "tied"}),
        "banknote, tied": (*table("banknote"), {"covariance_type": "tied"}),
        "digits, diag": (*load_digits(return_X_y=True), {"covariance_type": "diag", "min_variance": 1.0}),
        "digits, tied": (*load_digits(return_X_y=True), {"covariance_type": "tied", "min_variance": 1.0}),
    }
    print("| data, covariance | labels per class | labelled samples alone | with all others |\n|---|---|---|---|")
    for name, (X, y, settings) in cases.items():
        for n_labels in LABELS:
            found = [accuracies(X, y, n_labels, settings, seed) for seed in range(SPLITS)]
            if found[0] is None:
                continue
            mean, error = np.mean(found, axis=0), np.std(found, axis=0, ddof=1) / np.sqrt(SPLITS)
            cells = [f"{100 * m:.1f} ± {100 * e:.1f}" for m, e in zip(mean, error, strict=True)]
            print(f"| {name} | {n_labels} | {cells[0]} | {cells[1]} |", flush=True)


if __name__ == "__main__":
    main()
