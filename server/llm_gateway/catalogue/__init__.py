"""What is known of models: `catalogue` merges the providers' lists with the rest, `known_models` is our own data, `pricing` the cost,
`facts` the nouns."""
