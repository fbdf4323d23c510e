"""Which loss should drive an architecture search? The study of `analysis/losses_protocol.md`.

Read in this order: `tables` (what was trained), `orders` (τ, regret and their resamples),
`contrasts` (what is decided and how), `variance`, `controls`, `replications`, then `page` and
its `pictures`.
"""
