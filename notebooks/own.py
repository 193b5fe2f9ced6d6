# ---
# jupyter:
#   jupytext:
#     cell_metadata_filter: tags,mystnb
#     notebook_metadata_filter: kernelspec,-jupytext.text_representation.jupytext_version
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # How far to trust your proxy
#
# What `overopt page` says of your own scores, curves or judged policies, as a notebook: set `scores` to your file, and `form` to
# `bon` or `rl` where its columns do not tell which law to fit.

# %% tags=["parameters"]
scores = "scores.csv"
form = ""

# %%
from IPython.display import HTML, SVG

from overopt.report.own_page import open_own_page

page = open_own_page(scores, form)

# %%
HTML(page.short)

# %%
SVG(page.printed_svg())

# %% [markdown]
# Gold solid, the proxy's own score dashed, each with a band of one standard error; dotted the law; the star is its peak.
#
# ## The law, beside the paper's

# %%
HTML(page.coefficients)

# %% [markdown]
# ## What could make this wrong

# %%
HTML(page.caveats)

# %% [markdown]
# ## Numbers

# %%
HTML(page.numbers)
