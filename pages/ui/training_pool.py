"""The server's training jobs, which several screens start and follow."""

from __future__ import annotations

import streamlit as st

from fbseg_core.tasks.folder import allow
from pages.jobs import Pool
from pages.ui import own_images


@st.cache_resource(show_spinner=False)
def pool() -> Pool:
    """The server's training jobs. Its workers may read what visitors send."""
    allow(own_images.root())  # before any worker is forked, as it is told by the environment
    return Pool()
