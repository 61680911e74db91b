"""The page About."""

import streamlit as st

from crossmodal.installation import VERSION
from ui.startup import the_app

app = the_app()
st.title("About")
st.markdown(
    """
Find a picture by describing it, by showing a similar one, by the address of a similar one, or by words and a picture together. A picture
you show also brings the captions of your collection that fit it. Everything runs on this computer.

### How it works

Two small neural networks turn pictures and words into the same kind of fingerprint: a list of numbers, called an *embedding*.
They are trained together so that a picture and its title get nearly the same fingerprint. A search turns your question into a
fingerprint and shows the pictures whose fingerprints are closest.

The **number under a picture** says how close: 1.00 is the same direction, 0 is unrelated, below 0 is opposite. It orders results;
it is not a probability.

### Where your pictures are

Pictures, titles and fingerprints are kept in one file on this computer. Nothing is sent anywhere. The network is used for two
things only: to fetch a picture from an address you give, and, once, to try to fetch a ready-trained part of the model.

Pictures are decoded in a process of their own, turned upright, and stored again without the data cameras hide in them, such as places.

### Keyboard

| Key | What it does |
| --- | --- |
| `/` | goes to the search box |
| `Enter` | searches, or opens the picture you are on |
| `Tab` | goes from picture to picture and to what can be done with it |
| Arrows | walk from picture to picture |
| `Esc` | closes the large view |
"""
)
st.caption(f"Version {VERSION}")
