"""What the screens share; the only place that knows both Streamlit and the core."""
