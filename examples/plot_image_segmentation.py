"""
Segments of an image: two and five colours
==========================================

Which pixels belong together? Each pixel is a sample; a mixture of Gaussians of its grey value, or of its three colours,
cuts the image into segments.
"""

import matplotlib.pyplot as plt
from sklearn.datasets import load_sample_image

import fastem
from fastem.plots import ImageDisplay

image = load_sample_image("china.jpg")[::3, ::3].astype(float)
grey = image.mean(axis=2)

# %%
# Above, the grey values; below, the colours; with 2 and with 5 components.

fig, axes = plt.subplots(2, 3, figsize=(11, 5.5), layout="constrained")
axes[0, 0].imshow(grey, cmap="gray")
axes[1, 0].imshow(image.astype("uint8"))
for ax in axes[:, 0]:
    ax.set_axis_off()
for ax, k in zip(axes[0, 1:], (2, 5), strict=True):
    mixture = fastem.fit(grey.reshape(-1, 1), fastem.Gaussian("diag"), k, seed=0)
    ImageDisplay.from_result(mixture, grey, ax=ax)
    ax.set_title(f"grey, {k} components")
for ax, k in zip(axes[1, 1:], (2, 5), strict=True):
    mixture = fastem.fit(image.reshape(-1, 3), fastem.Gaussian("full"), k, seed=0)
    ImageDisplay.from_result(mixture, image, ax=ax)
    ax.set_title(f"colour, {k} components")
