"""Compiled programs kept between calls of the shell.

Compilation takes most of the processor time of a call. The shell is an application, so it may
configure JAX's persistent compilation cache; the library never does.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

VARIABLE = "EQSTAT_CACHE"


def folder() -> Path | None:
    """Folder of the cache: `EQSTAT_CACHE`, else the user's cache folder; None for "off"."""
    name = os.environ.get(VARIABLE, "")
    if name.lower() in ("off", "0", "no", "false"):
        return None
    if name:
        return Path(name).expanduser()
    import platformdirs

    return Path(platformdirs.user_cache_dir("eqstat", appauthor=False)) / "programs"


def prepare(*, enabled: bool = True) -> str | None:
    """Keep compiled programs in the cache folder from now on.

    Must run before the first compilation. A cache that the user has configured for JAX is kept.

    Parameters
    ----------
    enabled
        False for `--no-cache`.

    Returns
    -------
    str or None
        Why there is no cache although one was wanted; None otherwise.
    """
    if not enabled or "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return None
    try:
        place = folder()
        if place is None:
            return None
        place.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=place):
            pass
    except (OSError, RuntimeError) as error:  # RuntimeError: the user has no home folder
        return f"no compilation cache: {error}"
    _fix_field_order()
    import jax

    jax.config.update("jax_compilation_cache_dir", str(place))
    # Most of eqstat's programs compile in less than JAX's least time of one second.
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    return None


def _fix_field_order() -> None:
    """Let NumPyro flatten distributions in the same order in every process.

    It takes their fields from a set of texts, whose order changes from process to process. A
    program with a prior among its arguments would then never be found again in the cache. Where
    NumPyro is in use already its order stays, for programs compiled so far rely on it.
    """
    if "numpyro" in sys.modules:
        return
    from numpyro.distributions import Distribution

    unordered = Distribution.gather_pytree_data_fields.__func__

    def ordered(cls: type) -> tuple[str, ...]:
        return tuple(sorted(unordered(cls)))

    setattr(Distribution, "gather_pytree_data_fields", classmethod(ordered))  # noqa: B010
