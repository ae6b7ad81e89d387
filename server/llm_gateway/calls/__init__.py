"""A call on its way to a provider. The links, outermost first: trace → deadline → blocked → fallback → retry → load_balance → limit → trace_attempt
→ endpoint; `call` is their vocabulary.
"""
