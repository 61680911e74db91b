"""The workshop: parts of a cross-modal search engine that know no settings, no Streamlit and no FastAPI.

Nothing is imported here, so that a decode worker can load `crossmodal.images` without loading torch.
"""
