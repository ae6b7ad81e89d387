"""Names to targets. Pure: clock and randomness are injected, nothing awaits.

targets      the nouns: providers, endpoints, targets, routes
needs        what a request needs of a model
table        what a name means
state        the recent past of an endpoint; outlier has its breakers, cooldowns and flows
strategies   in which order endpoints are tried
explain      why a request goes where it goes
"""
