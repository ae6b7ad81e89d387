"""What is known of models: `catalogue` asks providers for their lists, `known_models` is data of ours, `pricing` what they cost, `facts` the nouns."""
