"""The Streamlit pages and their components. They contain no application logic and import no torch, sqlite or other front end."""
