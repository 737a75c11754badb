"""The router: the order and the titles of the screens, nothing else."""

import streamlit as st

st.navigation([st.Page("pages/explore.py", title="Explore", default=True)]).run()
