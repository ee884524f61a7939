"""Checks of files: models and checkpoints."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def check_model_file(path: Any, archive: Any, newest: int, families: Mapping[str, Any]) -> None:
    """Refuse an archive that is no fastem model, or one of a format that this version does not know."""
    if "estimator" in getattr(archive, "files", ()):
        raise ValueError(f"{path} holds an estimator; read it with fastem.{archive['estimator']}.load.")
    if "checkpoint" in getattr(archive, "files", ()):
        raise ValueError(f"{path} is the checkpoint of a fit that has not ended: give it to fastem.fit(checkpoint=).")
    if not {"format", "family"} <= set(getattr(archive, "files", ())):
        raise ValueError(f"{path} is not a model saved by fastem: it has no 'format' and 'family'.")
    if int(archive["format"]) > newest:
        raise ValueError(
            f"{path} has model format {int(archive['format'])}, this fastem reads up to {newest}; upgrade fastem."
        )
    name = str(archive["family"])
    if name not in families:
        module, _, cls = (str(archive["family_class"]) if "family_class" in archive.files else "").partition(":")
        if module == "__main__":
            advice = f"run or import the script that defines {cls} and registers it with fastem.register"
        elif module.split(".")[0] == "fastem":
            advice = "it is of a newer fastem, so upgrade fastem"
        elif module:
            advice = f"import {module} first, which defines {cls} and registers it with fastem.register"
        else:  # saved before files said where the class is
            advice = "import the module that defines it and registers it with fastem.register"
        raise ValueError(f"{path} holds a mixture of the unknown family {name!r}; {advice}.")


def check_checkpoint(path: Any, archive: Any, newest: int, digests: dict[str, str]) -> None:
    """Refuse a file that is no checkpoint of a fit with these arguments, or one of a format not known here."""
    if not {"format", "checkpoint", "state"} <= set(getattr(archive, "files", ())):
        raise ValueError(f"{path} is no checkpoint of fastem; name another file, or remove it.")
    if int(archive["format"]) > newest:
        raise ValueError(f"{path} has checkpoint format {int(archive['format'])}, this fastem reads up to {newest}.")
    kept = json.loads(str(archive["checkpoint"]))
    other = [name for name, value in digests.items() if kept.get(name) != value]
    if other:
        raise ValueError(
            f"{path} is the checkpoint of a fit with other arguments: {', '.join(other)}. Fit with those again, or "
            "remove the file to begin anew."
        )
