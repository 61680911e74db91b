"""What a person sees: Streamlit pages and their parts. They hold no logic and import no torch, no sqlite, no other door."""
